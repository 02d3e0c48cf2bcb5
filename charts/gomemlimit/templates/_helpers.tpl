{{/* Names, labels and small decisions that several templates share. */}}

{{- define "gomemlimit.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{/* Name of all objects; 50 characters leave room for what some of them append. */}}
{{- define "gomemlimit.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "gomemlimit.selectorLabels" -}}
app.kubernetes.io/name: {{ include "gomemlimit.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Labels of every object; a user's never replace ours. */}}
{{/* The documentation, for people who have the chart and no checkout. */}}
{{- define "gomemlimit.docs" -}}
https://github.com/OWNER/gomemlimit/blob/main/docs
{{- end -}}

{{- define "gomemlimit.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "gomemlimit.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- $ours := list "helm.sh/chart" "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/version" "app.kubernetes.io/managed-by" "app.kubernetes.io/component" }}
{{- range $key, $value := .Values.commonLabels }}
{{- if not (has $key $ours) }}
{{ $key }}: {{ $value | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "gomemlimit.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "gomemlimit.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* Labels of pods; takes a list of the root context and the component. Opted out, whatever the selectors say; a user's
labels never replace ours. */}}
{{- define "gomemlimit.podLabels" -}}
{{- $root := index . 0 -}}
{{- $own := include "gomemlimit.selectorLabels" $root | fromYaml -}}
{{- $_ := set $own "app.kubernetes.io/component" (index . 1) -}}
{{- $_ := set $own "app.kubernetes.io/version" $root.Chart.AppVersion -}}
{{- $_ := set $own "gomemlimit.dev/inject" "disabled" -}}
{{- merge $own (default dict $root.Values.podLabels) (default dict $root.Values.commonLabels) | toYaml -}}
{{- end -}}

{{/* Where pods run and as whom: what all pods have in common. */}}
{{- define "gomemlimit.placement" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.podSecurityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- if eq .Values.hostUsers false }}
hostUsers: false
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The program, and what it may do. */}}
{{- define "gomemlimit.program" -}}
image: {{ include "gomemlimit.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- with .Values.securityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The volume with the CA of callers; empty where everybody may call. */}}
{{- define "gomemlimit.clientCa" -}}
{{- with .Values.tls.clientAuth -}}
{{- if or .configMap .secret -}}
{{- if .secret -}}
secret:
  secretName: {{ .secret }}
{{- else -}}
configMap:
  name: {{ .configMap }}
{{- end }}
  items:
    - key: {{ .key }}
      path: ca.crt
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The token of the pod's account, for pods that talk to the API server. Its life is the shortest that Kubernetes
gives; the one that a pod gets by itself is good for a year. kubelet replaces the file in time, and the program reads
it again each minute. Of namespace and CA there is one source each, so all three are where a client looks for them. */}}
{{- define "gomemlimit.tokenVolume" -}}
- name: kube-api-access
  projected:
    sources:
      - serviceAccountToken:
          path: token
          expirationSeconds: 600
      - configMap:
          name: kube-root-ca.crt
          items:
            - key: ca.crt
              path: ca.crt
      - downwardAPI:
          items:
            - path: namespace
              fieldRef:
                fieldPath: metadata.namespace
{{- end -}}

{{- define "gomemlimit.tokenMount" -}}
- name: kube-api-access
  mountPath: /var/run/secrets/kubernetes.io/serviceaccount
  readOnly: true
{{- end -}}

{{/* Peers that metrics of a component may be scraped by; takes a list of the root context and whether `helm test` does so, too.
An empty list of peers would mean everybody: nobody is no rule at all. */}}
{{- define "gomemlimit.metricsIngress" -}}
{{- $root := index . 0 -}}
{{- $peers := default list $root.Values.networkPolicy.metricsFrom -}}
{{- if index . 1 }}{{ $peers = append $peers (include "gomemlimit.testPeer" $root | fromYaml) }}{{ end -}}
{{- if $peers -}}
- ports:
    - port: http-metrics
      protocol: TCP
  from:
    {{- toYaml $peers | nindent 4 }}
{{- end -}}
{{- end -}}

{{/* The pods of `helm test`, as a peer of a NetworkPolicy. */}}
{{- define "gomemlimit.testPeer" -}}
podSelector:
  matchLabels:
    {{- include "gomemlimit.selectorLabels" . | nindent 4 }}
    app.kubernetes.io/component: test
{{- end -}}

{{/* The API server, as the only rule for what pods connect to. */}}
{{- define "gomemlimit.apiServerEgress" -}}
- ports:
    {{- range .Values.networkPolicy.apiServerEgressPorts }}
    - port: {{ int . }}
      protocol: TCP
    {{- end }}
  {{- with .Values.networkPolicy.apiServerEgressTo }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* Somebody reads the metrics through the Service ("true"). */}}
{{- define "gomemlimit.readsMetrics" -}}
{{- $metrics := .Values.metrics -}}
{{- if or .Values.tests.enabled $metrics.serviceMonitor.enabled $metrics.podMonitor.enabled $metrics.prometheusRule.enabled $metrics.dashboard.enabled }}true{{ end -}}
{{- end -}}

{{/* Components with pods, as JSON. */}}
{{- define "gomemlimit.components" -}}
{{- $components := list -}}
{{- if include "gomemlimit.hasPods" . }}{{ $components = append $components "webhook" }}{{ end -}}
{{- if .Values.coverage.enabled }}{{ $components = append $components "coverage" }}{{ end -}}
{{- if include "gomemlimit.hasKeeper" . }}{{ $components = append $components "keeper" }}{{ end -}}
{{- toJson $components -}}
{{- end -}}

{{/* What the objects of a component are called; takes a list of the root context and the component. */}}
{{- define "gomemlimit.nameOf" -}}
{{- include (get (dict "webhook" "gomemlimit.fullname" "coverage" "gomemlimit.coverageName" "keeper" "gomemlimit.keeperName") (index . 1)) (index . 0) -}}
{{- end -}}

{{- define "gomemlimit.coverageName" -}}
{{ include "gomemlimit.fullname" . }}-coverage
{{- end -}}

{{- define "gomemlimit.coverageServiceAccountName" -}}
{{- if .Values.serviceAccount.create }}{{ include "gomemlimit.coverageName" . }}{{ else }}{{ .Values.coverage.serviceAccountName }}{{ end -}}
{{- end -}}

{{- define "gomemlimit.image" -}}
{{- with .Values.image -}}
{{- with .registry }}{{ trimSuffix "/" . }}/{{ end -}}
{{- .repository -}}
{{- if .digest }}@{{ .digest }}{{ else }}:{{ default $.Chart.AppVersion .tag }}{{ end -}}
{{- end -}}
{{- end -}}

{{/* The webhook runs in pods ("true"), or the API server does everything itself (""). */}}
{{- define "gomemlimit.hasPods" -}}
{{- if eq .Values.engine "webhook" }}true{{ end -}}
{{- end -}}

{{- define "gomemlimit.isSelfManaged" -}}
{{- if and (include "gomemlimit.hasPods" .) (eq .Values.tls.mode "self-managed") }}true{{ end -}}
{{- end -}}

{{- define "gomemlimit.isCertManager" -}}
{{- if and (include "gomemlimit.hasPods" .) (eq .Values.tls.mode "cert-manager") }}true{{ end -}}
{{- end -}}

{{/* A pod of its own keeps the certificates ("true"). */}}
{{- define "gomemlimit.hasKeeper" -}}
{{- if and (include "gomemlimit.isSelfManaged" .) (eq .Values.tls.selfManaged.keeper "separate") }}true{{ end -}}
{{- end -}}

{{/* Each replica keeps its own certificate ("true"). */}}
{{- define "gomemlimit.keepsCertificates" -}}
{{- if and (include "gomemlimit.isSelfManaged" .) (not (include "gomemlimit.hasKeeper" .)) }}true{{ end -}}
{{- end -}}

{{- define "gomemlimit.keeperName" -}}
{{ include "gomemlimit.fullname" . }}-keeper
{{- end -}}

{{- define "gomemlimit.keeperServiceAccountName" -}}
{{- if .Values.serviceAccount.create }}{{ include "gomemlimit.keeperName" . }}{{ else }}{{ .Values.tls.selfManaged.separate.serviceAccountName }}{{ end -}}
{{- end -}}

{{/* The pods talk to the API server ("true"): they need rights and a token. */}}
{{- define "gomemlimit.usesApi" -}}
{{- if or (include "gomemlimit.keepsCertificates" .) (and (include "gomemlimit.hasPods" .) .Values.namespaceSettings) }}true{{ end -}}
{{- end -}}

{{- define "gomemlimit.minReplicas" -}}
{{- if .Values.autoscaling.enabled }}{{ .Values.autoscaling.minReplicas }}{{ else }}{{ .Values.replicaCount }}{{ end -}}
{{- end -}}

{{- define "gomemlimit.caSecret" -}}
{{ include "gomemlimit.fullname" . }}-ca
{{- end -}}

{{/* Secret with the certificate that pods mount: modes cert-manager and existing-secret, and a separate keeper's. */}}
{{- define "gomemlimit.tlsSecret" -}}
{{- if eq .Values.tls.mode "existing-secret" -}}
{{ .Values.tls.existingSecret.name }}
{{- else if include "gomemlimit.hasKeeper" . -}}
{{ include "gomemlimit.fullname" . }}-serving
{{- else -}}
{{ include "gomemlimit.fullname" . }}-tls
{{- end -}}
{{- end -}}

{{/* The name in the certificate, by which the API server calls the Service. */}}
{{- define "gomemlimit.serverName" -}}
{{ include "gomemlimit.fullname" . }}.{{ .Release.Namespace }}.svc
{{- end -}}

{{/* "host:port" to listen on; takes a list of the root context and the port. */}}
{{- define "gomemlimit.address" -}}
{{- $host := (index . 0).Values.server.bindAddress -}}
{{- if contains ":" $host }}[{{ $host }}]{{ else }}{{ $host }}{{ end }}:{{ int (index . 1) }}
{{- end -}}

{{/* Requirement that keeps the webhook away from namespaces a cluster cannot do without, and from its own. */}}
{{- define "gomemlimit.excludedNamespaces" -}}
- key: kubernetes.io/metadata.name
  operator: NotIn
  values:
    {{- concat (list "kube-system" "kube-node-lease" "kube-public" .Release.Namespace) (default list .Values.webhook.extraExcludedNamespaces) | uniq | toYaml | nindent 4 }}
{{- end -}}

{{/* Namespaces that have opted in. */}}
{{- define "gomemlimit.namespaceSelector" -}}
{{- with .Values.webhook.namespaceSelector -}}
{{- with .matchLabels }}
matchLabels:
  {{- toYaml . | nindent 2 }}
{{- end }}
matchExpressions:
  {{- with .matchExpressions }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- else -}}
matchExpressions:
  - key: {{ .Values.webhook.optInLabel.key }}
    operator: In
    values: [{{ .Values.webhook.optInLabel.value | quote }}]
{{- end }}
  {{- include "gomemlimit.excludedNamespaces" . | nindent 2 }}
{{- end -}}

{{/* Other namespaces, where single pods may opt in. */}}
{{- define "gomemlimit.otherNamespaceSelector" -}}
matchExpressions:
  - key: {{ .Values.webhook.optInLabel.key }}
    operator: NotIn
    values: {{ list .Values.webhook.optInLabel.value "disabled" | uniq | toJson }}
  {{- include "gomemlimit.excludedNamespaces" . | nindent 2 }}
{{- end -}}

{{/* Pods that have not opted out. */}}
{{- define "gomemlimit.objectSelector" -}}
{{- with .Values.webhook.objectSelector -}}
{{ toYaml . }}
{{- else -}}
matchExpressions:
  - key: gomemlimit.dev/inject
    operator: NotIn
    values: [disabled, "false"]
{{- end -}}
{{- end -}}

{{/* Pods that have opted in by themselves. */}}
{{- define "gomemlimit.optedInPods" -}}
matchExpressions:
  - key: gomemlimit.dev/inject
    operator: In
    values: [enabled, "true"]
{{- end -}}

{{/* Only facts that no other webhook changes later: one that is skipped now is not asked again. */}}
{{- define "gomemlimit.matchConditions" -}}
- name: not-mirror-pod
  expression: "!has(object.metadata.annotations) || !('kubernetes.io/config.mirror' in object.metadata.annotations)"
- name: not-windows
  expression: "!has(object.spec.os) || object.spec.os.name != 'windows'"
{{- with .Values.webhook.matchConditions }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The opted-in namespaces as a selector on one line, for --namespace-selector and for people. */}}
{{- define "gomemlimit.namespaceSelectorText" -}}
{{- $parts := list -}}
{{- with .Values.webhook.namespaceSelector -}}
{{- range $key, $value := .matchLabels -}}
{{- $parts = append $parts (printf "%s=%s" $key $value) -}}
{{- end -}}
{{- range .matchExpressions -}}
{{- if eq .operator "Exists" -}}
{{- $parts = append $parts .key -}}
{{- else if eq .operator "DoesNotExist" -}}
{{- $parts = append $parts (printf "!%s" .key) -}}
{{- else -}}
{{- $parts = append $parts (printf "%s %s (%s)" .key (lower .operator) (join "," .values)) -}}
{{- end -}}
{{- end -}}
{{- else -}}
{{- $parts = append $parts (printf "%s=%s" .Values.webhook.optInLabel.key .Values.webhook.optInLabel.value) -}}
{{- end -}}
{{- join "," $parts -}}
{{- end -}}
