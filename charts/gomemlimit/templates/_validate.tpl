{{/* Contradictions in the values, each refused with one sentence. */}}
{{- define "gomemlimit.validate" -}}
{{- $fullname := include "gomemlimit.fullname" . -}}
{{- $policy := eq .Values.engine "policy" -}}
{{- $tls := .Values.tls -}}
{{- $webhook := .Values.webhook -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $fullname) -}}
{{- fail (printf "The name %q cannot be a Service's: it must start with a letter and hold only small letters, digits and dashes; set fullnameOverride." $fullname) -}}
{{- end -}}
{{- if and $webhook.podOptIn.enabled $webhook.namespaceSelector -}}
{{- fail "webhook.podOptIn needs to know which namespaces have opted in, so it works with webhook.optInLabel, not with webhook.namespaceSelector." -}}
{{- end -}}
{{- if and .Values.metrics.serviceMonitor.enabled .Values.metrics.podMonitor.enabled -}}
{{- fail "metrics.serviceMonitor and metrics.podMonitor would scrape every replica twice; enable one of them." -}}
{{- end -}}
{{- include "gomemlimit.validateEffects" . -}}
{{- include "gomemlimit.validateCoverage" . -}}
{{- include "gomemlimit.validateNetworkPolicy" . -}}
{{- if $policy -}}
{{- include "gomemlimit.validatePolicy" . -}}
{{- else -}}
{{- include "gomemlimit.validateTls" . -}}
{{- include "gomemlimit.validatePods" . -}}
{{- end -}}
{{- end -}}

{{/* What must have an effect, and has none. */}}
{{- define "gomemlimit.validateEffects" -}}
{{- range $why, $names := include "gomemlimit.withoutEffect" (list . true) | fromJson -}}
{{- fail (printf "%s: no effect %s. Set that, or leave it out." (join ", " $names) $why) -}}
{{- end -}}
{{- end -}}

{{- define "gomemlimit.validateNetworkPolicy" -}}
{{- $metrics := .Values.metrics -}}
{{- if and .Values.networkPolicy.enabled (not .Values.networkPolicy.metricsFrom) (or $metrics.serviceMonitor.enabled $metrics.podMonitor.enabled) -}}
{{- fail "networkPolicy.metricsFrom is empty, which means nobody, so Prometheus would get no metrics; name it, for example [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]." -}}
{{- end -}}
{{- end -}}

{{- define "gomemlimit.validateCoverage" -}}
{{- if and .Values.coverage.enabled (not .Values.serviceAccount.create) (not .Values.coverage.serviceAccountName) -}}
{{- fail "serviceAccount.create is false, so coverage.serviceAccountName must say which account may list pods; that right is not given to the webhook's account." -}}
{{- end -}}
{{- if and .Values.coverage.serviceAccountName .Values.serviceAccount.create -}}
{{- fail "coverage.serviceAccountName is for serviceAccount.create: false; otherwise an account is made." -}}
{{- end -}}
{{- if and .Values.coverage.enabled .Values.coverage.serviceAccountName (eq .Values.coverage.serviceAccountName (include "gomemlimit.serviceAccountName" .)) -}}
{{- fail (printf "coverage.serviceAccountName is the account of the webhook (%s), which would get the right to list pods; name another one." .Values.coverage.serviceAccountName) -}}
{{- end -}}
{{- end -}}

{{- define "gomemlimit.validatePolicy" -}}
{{- if semverCompare "<1.36.0-0" .Capabilities.KubeVersion.Version -}}
{{- fail (printf "engine: policy needs Kubernetes 1.36, where MutatingAdmissionPolicy v1 came; this cluster is %s. Use engine: webhook." .Capabilities.KubeVersion.Version) -}}
{{- end -}}
{{- if .Values.settings.repair -}}
{{- fail "settings.repair needs engine: webhook; a policy neither warns about values nor repairs them." -}}
{{- end -}}
{{- if eq .Values.settings.mode "audit" -}}
{{- fail "settings.mode audit needs engine: webhook; a policy has no way to report." -}}
{{- end -}}
{{- if or .Values.policy.rules (eq (toString .Values.policy.builtInRules) "false") -}}
{{- fail "policy.rules and policy.builtInRules need engine: webhook; a MutatingAdmissionPolicy has no policy file." -}}
{{- end -}}
{{- end -}}

{{- define "gomemlimit.validateTls" -}}
{{- $tls := .Values.tls -}}
{{- $webhook := .Values.webhook -}}
{{- if eq $tls.mode "existing-secret" -}}
{{- if not $tls.existingSecret.name -}}
{{- fail "tls.mode existing-secret needs tls.existingSecret.name." -}}
{{- end -}}
{{- $injects := false -}}
{{- range $key, $_ := $webhook.annotations -}}
{{- if contains "inject" $key }}{{ $injects = true }}{{ end -}}
{{- end -}}
{{- if not (or $webhook.caBundle $injects) -}}
{{- fail "tls.mode existing-secret needs webhook.caBundle, or an annotation in webhook.annotations that has something else inject it; without it the API server trusts no replica." -}}
{{- end -}}
{{- end -}}
{{- $clientAuth := $tls.clientAuth -}}
{{- if and $clientAuth.configMap $clientAuth.secret -}}
{{- fail "tls.clientAuth.configMap and tls.clientAuth.secret both name the CA of callers; set one of them." -}}
{{- end -}}
{{- $keeper := $tls.selfManaged.separate.serviceAccountName -}}
{{- if and (include "gomemlimit.hasKeeper" .) (not .Values.serviceAccount.create) (not $keeper) -}}
{{- fail "serviceAccount.create is false, so tls.selfManaged.separate.serviceAccountName must name the account that may write the certificates; that right is not given to the webhook's account." -}}
{{- end -}}
{{- if and $keeper .Values.serviceAccount.create -}}
{{- fail "tls.selfManaged.separate.serviceAccountName is for serviceAccount.create: false; otherwise an account is made." -}}
{{- end -}}
{{- if and $keeper (eq $keeper (include "gomemlimit.serviceAccountName" .)) -}}
{{- fail (printf "tls.selfManaged.separate.serviceAccountName is the account of the webhook (%s), which would get the right to write the certificates; name another one." $keeper) -}}
{{- end -}}
{{- if and $keeper .Values.coverage.enabled (eq $keeper .Values.coverage.serviceAccountName) -}}
{{- fail (printf "tls.selfManaged.separate.serviceAccountName and coverage.serviceAccountName are both %s, which would get the right to write the certificates and to list pods; name two accounts." $keeper) -}}
{{- end -}}
{{- if and $tls.certManager.issuerRef (not $tls.certManager.issuerRef.name) -}}
{{- fail "tls.certManager.issuerRef needs a name." -}}
{{- end -}}
{{- if include "gomemlimit.isSelfManaged" . -}}
{{- include "gomemlimit.validateLives" . -}}
{{- end -}}
{{- if eq $tls.mode "cert-manager" -}}
{{- $manager := $tls.certManager -}}
{{- $duration := include "gomemlimit.seconds" $manager.duration | float64 -}}
{{- if ge (include "gomemlimit.seconds" $manager.renewBefore | float64) $duration -}}
{{- fail (printf "tls.certManager.renewBefore (%s) must be less than tls.certManager.duration (%s)." $manager.renewBefore $manager.duration) -}}
{{- end -}}
{{- if and (not $manager.issuerRef) (gt (mulf $duration 3.0) (include "gomemlimit.seconds" $manager.caDuration | float64)) -}}
{{- fail (printf "tls.certManager.duration (%s) is more than a third of tls.certManager.caDuration (%s); the CA is renewed after two thirds of its life, and what it signed before must not outlive it." $manager.duration $manager.caDuration) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What `gomemlimit serve` and `gomemlimit certificates` refuse at start (src/cli/certificate_args.rs): a pod that never runs.
With one of their hidden flags they decide alone. */}}
{{- define "gomemlimit.validateLives" -}}
{{- $own := .Values.tls.selfManaged -}}
{{- $ca := include "gomemlimit.seconds" $own.caDuration | float64 -}}
{{- $leaf := include "gomemlimit.seconds" $own.leafDuration | float64 -}}
{{- $keeper := include "gomemlimit.hasKeeper" . -}}
{{- $arguments := ternary $own.separate.extraArgs .Values.extraArgs (not (not $keeper)) | default list | join " " -}}
{{- if gt $ca (mulf 87600.0 3600.0) -}}
{{- fail (printf "tls.selfManaged.caDuration (%s) is more than 87600h, ten years." $own.caDuration) -}}
{{- end -}}
{{- if gt $leaf $ca -}}
{{- fail (printf "tls.selfManaged.leafDuration (%s) is more than tls.selfManaged.caDuration (%s)." $own.leafDuration $own.caDuration) -}}
{{- end -}}
{{- if not (regexMatch "--(ca-publish-delay|certificate-tick|refresh-delay)" $arguments) -}}
{{- if and $keeper (lt $leaf 630.0) -}}
{{- fail (printf "tls.selfManaged.leafDuration (%s) is less than 10m30s, the least with tls.selfManaged.keeper: separate: the last third of it has to hold the 2m30s that the kubelet may take to bring a changed Secret into pods, and 1m that the keeper may be late. The keeper would not start." $own.leafDuration) -}}
{{- end -}}
{{- $least := ternary (list 2430.0 "40m30s") (list 1980.0 "33m") (not (not $keeper)) -}}
{{- if lt $ca (index $least 0) -}}
{{- fail (printf "tls.selfManaged.caDuration (%s) is less than %s: the last third of it has to hold the 10m for which the next CA is published before it signs. No pod would start." $own.caDuration (index $least 1)) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Seconds of a duration such as "1h30m". */}}
{{- define "gomemlimit.seconds" -}}
{{- $seconds := 0.0 -}}
{{- range regexFindAll "[0-9.]+(ms|[smhd])" . -1 -}}
{{- $unit := get (dict "ms" 0.001 "s" 1.0 "m" 60.0 "h" 3600.0 "d" 86400.0) (regexFind "[a-z]+" .) -}}
{{- $seconds = addf $seconds (mulf $unit (regexFind "[0-9.]+" . | float64)) -}}
{{- end -}}
{{- $seconds -}}
{{- end -}}

{{- define "gomemlimit.validatePods" -}}
{{- $names := list -}}
{{- range .Values.policy.rules -}}
{{- if has .name $names -}}
{{- fail (printf "policy.rules: two rules have the name %q." .name) -}}
{{- end -}}
{{- $names = append $names .name -}}
{{- end -}}
{{- if eq (int .Values.server.port) (int .Values.server.adminPort) -}}
{{- fail (printf "server.port and server.adminPort are both %d; they must differ." (int .Values.server.port)) -}}
{{- end -}}
{{- if and .Values.hostNetwork (or (eq (int .Values.server.port) 10250) (eq (int .Values.server.adminPort) 10250)) -}}
{{- fail "With hostNetwork port 10250 belongs to the kubelet; set server.port (and server.adminPort) to ports that are free on the nodes." -}}
{{- end -}}
{{- if and .Values.hostNetwork (eq .Values.hostUsers false) -}}
{{- fail "hostUsers: false and hostNetwork exclude each other: Kubernetes does not accept such a pod." -}}
{{- end -}}
{{- $delay := include "gomemlimit.seconds" .Values.server.shutdownDelay | float64 -}}
{{- $drain := include "gomemlimit.seconds" .Values.server.drainTimeout | float64 -}}
{{- if lt (float64 .Values.terminationGracePeriodSeconds) (addf $delay $drain) -}}
{{- fail (printf "terminationGracePeriodSeconds is %d, less than server.shutdownDelay (%s) and server.drainTimeout (%s) together; replicas would be killed while they serve." (int .Values.terminationGracePeriodSeconds) .Values.server.shutdownDelay .Values.server.drainTimeout) -}}
{{- end -}}
{{- if and (not .Values.serviceAccount.create) (not .Values.serviceAccount.name) .Values.rbac.create (include "gomemlimit.usesApi" .) -}}
{{- fail "serviceAccount.create is false, so serviceAccount.name must say which account gets the rights; they are not given to the namespace's default account." -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled (lt (int .Values.autoscaling.maxReplicas) (int .Values.autoscaling.minReplicas)) -}}
{{- fail (printf "autoscaling.maxReplicas (%d) is less than autoscaling.minReplicas (%d)." (int .Values.autoscaling.maxReplicas) (int .Values.autoscaling.minReplicas)) -}}
{{- end -}}
{{- end -}}
