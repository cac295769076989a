{{/* The labels that kustomize sets as well. */}}
{{- define "surefoot.labels" -}}
app.kubernetes.io/name: surefoot
app.kubernetes.io/part-of: surefoot
{{ include "surefoot.chartLabels" . }}
{{- end }}

{{/* The labels that only this chart sets. */}}
{{- define "surefoot.chartLabels" -}}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* The user name that the API server knows the operator by. */}}
{{- define "surefoot.operator" -}}
system:serviceaccount:{{ .Release.Namespace }}:{{ .Values.serviceAccount.name }}
{{- end }}

{{- define "surefoot.image" -}}
{{- $image := .Values.image -}}
{{ $image.repository }}{{ with $image.digest }}@{{ . }}{{ else }}:{{ $image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{/* Where the Secrets of `metrics` are mounted. */}}
{{- define "surefoot.tlsFolder" -}}/etc/surefoot-tls{{- end }}
{{- define "surefoot.tokenFolder" -}}/etc/surefoot-metrics-token{{- end }}

{{/* Elements of a list in CEL, each quoted. The schema allows no quotes within them. */}}
{{- define "surefoot.texts" -}}
{{- range $index, $text := . }}{{ if $index }}, {{ end }}"{{ $text }}"{{ end }}
{{- end }}

{{/* What is wrong with the values or the cluster, and what to do about it. */}}
{{- define "surefoot.checks" -}}
{{- /* Kinds are listed by a live API server only; elsewhere its version has to tell. */}}
{{- $api := .Capabilities.APIVersions }}
{{- $mutates := semverCompare ">=1.36.0-0" .Capabilities.KubeVersion.Version }}
{{- if $api.Has "v1/Namespace" }}
{{- $mutates = $api.Has "admissionregistration.k8s.io/v1/MutatingAdmissionPolicy" }}
{{- end }}
{{- if and .Values.policies.install .Values.policies.mutation (not $mutates) }}
{{- fail (printf "policies.mutation: this API server (%s) does not serve MutatingAdmissionPolicy of admissionregistration.k8s.io/v1; set policies.mutation=false, and people write their own names" .Capabilities.KubeVersion.Version) }}
{{- end }}
{{- if and (not .Values.crds.install) ($api.Has "v1/Namespace") }}
{{- $crd := lookup "apiextensions.k8s.io/v1" "CustomResourceDefinition" "" "rollouts.surefoot.dev" }}
{{- $found := dig "metadata" "labels" "app.kubernetes.io/version" "none" ($crd | default dict) }}
{{- if ne $found .Chart.AppVersion }}
{{- fail (printf "crds.install: it is false, and the CRDs of this cluster are of version %s; first run: kubectl apply --server-side -f crds.yaml, of version %s" $found .Chart.AppVersion) }}
{{- end }}
{{- end }}
{{- $present := lookup "apps/v1" "Deployment" .Release.Namespace "surefoot" }}
{{- if and $present (not .Values.adopt) }}
{{- if not (hasKey ($present.metadata.annotations | default dict) "meta.helm.sh/release-name") }}
{{- fail (printf "namespace %s has a Surefoot that was not installed by Helm; to take it over, run: helm upgrade --install %s CHART -n %s --take-ownership --set adopt=true --server-side=true --force-conflicts" .Release.Namespace .Release.Name .Release.Namespace) }}
{{- end }}
{{- end }}
{{- end }}

{{/* The custodians of the allowed signers, for people. */}}
{{- define "surefoot.custodians" -}}
{{- $words := list }}
{{- range .users }}{{ $words = append $words . }}{{ end }}
{{- range .groups }}{{ $words = append $words (printf "members of group %s" .) }}{{ end }}
{{- join ", " $words }}
{{- end }}
