// Command admission-policy evaluates MutatingAdmissionPolicies as an API server does, with its code.
//
// Standard input has a JSON list of {"policy", "pods"}, and "pods" is a list of {"namespace", "pod"}. For each pod, a line of
// standard output has it as the API server would store it. An error of CEL ends the program, whatever the failurePolicy is.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	celgo "github.com/google/cel-go/cel"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/admission/plugin/policy/mutating/patch"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions"
	apicel "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/cel/environment"
)

var (
	kind     = corev1.SchemeGroupVersion.WithKind("Pod")
	resource = corev1.SchemeGroupVersion.WithResource("pods")
	always   = admissionv1.Fail
)

// policyVariable is the Variable of k8s.io/apiserver/pkg/admission/plugin/policy/validating, which imports half of client-go.
type policyVariable admissionv1.Variable

func (v *policyVariable) GetName() string { return v.Name }

func (v *policyVariable) GetExpression() string { return v.Expression }

func (v *policyVariable) ReturnTypes() []*celgo.Type {
	return []*celgo.Type{celgo.AnyType, celgo.DynType}
}

// evaluator is a compiled policy, as compilePolicy of k8s.io/apiserver/pkg/admission/plugin/policy/mutating makes it.
type evaluator struct {
	compiler *cel.CompositedCompiler
	matcher  matchconditions.Matcher
	patchers []patch.Patcher
}

func compile(environments *environment.EnvSet, policy *admissionv1.MutatingAdmissionPolicy) (*evaluator, error) {
	compiler, err := cel.NewCompositedCompiler(environments)
	if err != nil {
		return nil, err
	}
	options := cel.OptionalVariableDeclarations{HasAuthorizer: true}
	for _, variable := range policy.Spec.Variables {
		accessor := (*policyVariable)(&variable)
		// A new expression: the rules of the API server's release for what is applied.
		if result := compiler.CompileAndStoreVariable(accessor, options, environment.NewExpressions); result.Error != nil {
			return nil, fmt.Errorf("variable %s: %w", variable.Name, result.Error)
		}
	}
	var conditions []cel.ExpressionAccessor
	for _, condition := range policy.Spec.MatchConditions {
		conditions = append(conditions, (*matchconditions.MatchCondition)(&condition))
	}
	filter := compiler.CompileCondition(conditions, options, environment.NewExpressions)
	matcher := matchconditions.NewMatcher(filter, &always, "policy", "validate", policy.Name)
	options.HasPatchTypes = true
	var patchers []patch.Patcher
	for _, mutation := range policy.Spec.Mutations {
		if mutation.JSONPatch == nil {
			return nil, fmt.Errorf("mutation %q is no JSONPatch", mutation.PatchType)
		}
		accessor := &patch.JSONPatchCondition{Expression: mutation.JSONPatch.Expression}
		mutating := compiler.CompileMutatingEvaluator(accessor, options, environment.NewExpressions)
		if err := errors.Join(mutating.CompilationErrors()...); err != nil {
			return nil, err
		}
		patchers = append(patchers, patch.NewJSONPatcher(mutating))
	}
	return &evaluator{compiler, matcher, patchers}, nil
}

// store returns the pod as it is after the policy, as dispatcher of the same package does it.
func (e *evaluator) store(objects admission.ObjectInterfaces, namespace *corev1.Namespace, pod *corev1.Pod) (runtime.Object, error) {
	pod.SetGroupVersionKind(kind)
	record := admission.NewAttributesRecord(
		pod, nil, kind, namespace.Name, pod.Name, resource, "", admission.Create, nil, false, nil)
	attributes, err := admission.NewVersionedAttributes(record, kind, objects)
	if err != nil {
		return nil, err
	}
	ctx := e.compiler.CreateContext(context.Background())
	if matched := e.matcher.Match(ctx, attributes, nil, nil); matched.Error != nil || !matched.Matches {
		return pod, matched.Error
	}
	for _, patcher := range e.patchers {
		request := patch.Request{
			MatchedResource: resource, VersionedAttributes: attributes, ObjectInterfaces: objects, Namespace: namespace,
		}
		patched, err := patcher.Patch(ctx, request, apicel.RuntimeCELCostBudget)
		if err != nil {
			return nil, err
		}
		attributes.UpdateObject(patched)
	}
	return attributes.VersionedObject.Object(), nil
}

func run() error {
	var policies []struct {
		Policy admissionv1.MutatingAdmissionPolicy
		Pods   []struct {
			Namespace corev1.Namespace
			Pod       corev1.Pod
		}
	}
	if err := json.NewDecoder(os.Stdin).Decode(&policies); err != nil {
		return err
	}
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		return err
	}
	objects := admission.NewObjectInterfacesFromScheme(scheme)
	environments := environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion())
	out := bufio.NewWriter(os.Stdout)
	encoder := json.NewEncoder(out)
	for index, one := range policies {
		evaluator, err := compile(environments, &one.Policy)
		if err != nil {
			return fmt.Errorf("policy %d: %w", index, err)
		}
		for number, request := range one.Pods {
			stored, err := evaluator.store(objects, &request.Namespace, &request.Pod)
			if err != nil {
				return fmt.Errorf("policy %d, pod %d: %w", index, number, err)
			}
			if err := encoder.Encode(stored); err != nil {
				return err
			}
		}
	}
	return out.Flush()
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
