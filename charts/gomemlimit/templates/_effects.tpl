{{/* Values that are set, but change nothing because of another value. tests/chart/effects.py finds what is missing here. */}}

{{/* Rules: values that have no effect, all but some, while `is` is set, and why. Names are paths or the beginnings of paths;
the first rule that is for a value counts. With `isSafe` nobody is less safe than they think. */}}
{{- define "gomemlimit.effectRules" -}}
{{- $tls := .Values.tls -}}
{{- $metrics := .Values.metrics -}}
{{- $policy := eq .Values.engine "policy" -}}
{{- $coverage := .Values.coverage.enabled -}}
{{- $network := .Values.networkPolicy.enabled -}}
{{- $budget := and .Values.podDisruptionBudget.enabled (gt (include "gomemlimit.minReplicas" . | int) 1) -}}
{{- $usesApi := or (include "gomemlimit.usesApi" .) (include "gomemlimit.hasKeeper" .) $coverage -}}
{{- $selecting := list "nameOverride" "fullnameOverride" "commonLabels" "engine" "policy" "namespaceSettings" "webhook.failurePolicy" "webhook.reinvocationPolicy" "webhook.optInLabel" "webhook.namespaceSelector" "webhook.extraExcludedNamespaces" "webhook.objectSelector" "webhook.matchConditions" "webhook.podOptIn" "coverage" "extraObjects" -}}
{{- $counting := list "image" "imagePullSecrets" "server.bindAddress" "server.adminPort" "service.ipFamil" "serviceAccount.create" "serviceAccount.annotations" "rbac" "revisionHistoryLimit" "priorityClassName" "nodeSelector" "tolerations" "podSecurityContext" "securityContext" "readinessProbe" "livenessProbe" "runtimeClassName" "hostUsers" "dnsPolicy" "deploymentAnnotations" "podAnnotations" "podLabels" "extraEnv" "networkPolicy.enabled" "networkPolicy.metricsFrom" "networkPolicy.apiServer" "metrics.serviceMonitor" "metrics.podMonitor" -}}
{{- list
  (dict "is" (and $policy (not $coverage)) "of" $counting "why" "without engine: webhook or coverage.enabled")
  (dict "is" $policy "of" (list "") "but" (concat $selecting $counting) "why" "without engine: webhook")
  (dict "is" (not $network) "of" (list "networkPolicy.") "but" (list "networkPolicy.enabled") "why" "without networkPolicy.enabled")
  (dict "is" (and $network (not $usesApi)) "of" (list "networkPolicy.apiServer") "isSafe" true "why" "where no pod talks to the API server: nothing is let out")
  (dict "is" (not .Values.autoscaling.enabled) "of" (list "autoscaling.") "why" "without autoscaling.enabled")
  (dict "is" .Values.autoscaling.enabled "of" (list "replicaCount") "why" "with autoscaling.enabled")
  (dict "is" (not $budget) "of" (list "podDisruptionBudget.") "why" "without podDisruptionBudget.enabled and two replicas")
  (dict "is" (not $coverage) "of" (list "coverage.") "why" "without coverage.enabled")
  (dict "is" (not $metrics.serviceMonitor.enabled) "of" (list "metrics.serviceMonitor.") "why" "without metrics.serviceMonitor.enabled")
  (dict "is" (not $metrics.podMonitor.enabled) "of" (list "metrics.podMonitor.") "why" "without metrics.podMonitor.enabled")
  (dict "is" (not $metrics.prometheusRule.enabled) "of" (list "metrics.prometheusRule.") "why" "without metrics.prometheusRule.enabled")
  (dict "is" (not $metrics.dashboard.enabled) "of" (list "metrics.dashboard.") "why" "without metrics.dashboard.enabled")
  (dict "is" (ne $tls.mode "self-managed") "of" (list "tls.selfManaged.") "why" "without tls.mode: self-managed")
  (dict "is" (not (include "gomemlimit.hasKeeper" .)) "of" (list "tls.selfManaged.separate.") "why" "without tls.selfManaged.keeper: separate")
  (dict "is" (ne $tls.mode "cert-manager") "of" (list "tls.certManager.") "why" "without tls.mode: cert-manager")
  (dict "is" $tls.certManager.issuerRef "of" (list "tls.certManager.caDuration" "tls.certManager.nameConstraints") "why" "with tls.certManager.issuerRef")
  (dict "is" (ne $tls.mode "existing-secret") "of" (list "tls.existingSecret." "webhook.caBundle") "why" "without tls.mode: existing-secret")
  (dict "is" (or .Values.webhook.caBundle (not .Values.tests.enabled)) "of" (list "tls.existingSecret.caKey") "why" "with webhook.caBundle, or without tests.enabled")
  (dict "is" (not (include "gomemlimit.clientCa" .)) "of" (list "tls.clientAuth.") "but" (list "tls.clientAuth.configMap" "tls.clientAuth.secret") "why" "without tls.clientAuth.configMap or tls.clientAuth.secret")
  (dict "is" (not .Values.tests.enabled) "of" (list "tls.clientAuth.testSecret") "isSafe" true "why" "without tests.enabled")
  (dict "is" (not .Values.serviceAccount.create) "of" (list "serviceAccount.annotations") "why" "without serviceAccount.create")
  (dict "is" .Values.webhook.namespaceSelector "of" (list "webhook.optInLabel.") "why" "with webhook.namespaceSelector")
| toJson -}}
{{- end -}}

{{/* Whoever sets one of these and gets nothing is less safe than they think, or waits for what never comes. The others are
named by the notes. */}}
{{- define "gomemlimit.mustHaveEffect" -}}
{{- list "networkPolicy.enabled" "networkPolicy.webhookFrom" "networkPolicy.metricsFrom" "networkPolicy.apiServerEgressTo" "networkPolicy.apiServerEgressPorts" "tls.mode" "tls.selfManaged.keeper" "tls.selfManaged.separate.serviceAccountName" "tls.certManager.issuerRef" "tls.existingSecret.name" "tls.clientAuth.configMap" "tls.clientAuth.secret" "tls.clientAuth.key" "tls.clientAuth.names" "tls.clientAuth.testSecret" "webhook.path" "webhook.otherPaths" "webhook.caBundle" "autoscaling.enabled" "metrics.serviceMonitor.enabled" "metrics.podMonitor.enabled" "metrics.prometheusRule.enabled" "metrics.dashboard.enabled" | toJson -}}
{{- end -}}

{{/* Names of the values without effect, by why, as JSON; takes a list of the root context and whether those that must have one
are meant, or the others. What is empty or false asks for nothing. */}}
{{- define "gomemlimit.withoutEffect" -}}
{{- $root := index . 0 -}}
{{- $wanted := index . 1 -}}
{{- $rules := include "gomemlimit.effectRules" $root | fromJsonArray -}}
{{- $must := include "gomemlimit.mustHaveEffect" $root | fromJsonArray -}}
{{- $found := dict -}}
{{- range $name, $default := $root.Files.Get "files/defaults.json" | fromJson -}}
{{- $value := $root.Values -}}
{{- range splitList "." $name }}{{ $value = get (default dict $value) . }}{{ end -}}
{{- if and $value (ne $name "global") (ne (toJson $value) (toJson $default)) -}}
{{- $rule := dict -}}
{{- range $rules -}}
{{- if and .is (not $rule) (include "gomemlimit.beginsWith" (list $name .of)) (not (include "gomemlimit.beginsWith" (list $name (default list .but)))) -}}
{{- $rule = . -}}
{{- end -}}
{{- end -}}
{{- if and $rule (eq $wanted (and (has $name $must) (not $rule.isSafe))) -}}
{{- $_ := set $found $rule.why (append (get $found $rule.why | default list) $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $found -}}
{{- end -}}

{{/* "true" if a text begins with one of a list; takes a list of both. */}}
{{- define "gomemlimit.beginsWith" -}}
{{- $text := index . 0 -}}
{{- $begins := false -}}
{{- range index . 1 }}{{ if hasPrefix . $text }}{{ $begins = true }}{{ end }}{{ end -}}
{{- if $begins }}true{{ end -}}
{{- end -}}
