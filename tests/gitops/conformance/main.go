// Answers as the tools themselves do, from their own libraries: kstatus, and the health expressions of Flux.
// It reads one question as JSON from each line of its input, and writes one answer to each line of its output.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/fluxcd/pkg/apis/kustomize"
	"github.com/fluxcd/pkg/runtime/cel"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

type question struct {
	Object map[string]any                              `json:"object"`
	Exprs  map[string]kustomize.HealthCheckExpressions `json:"exprs"`
}

type answer struct {
	Kstatus string            `json:"kstatus"`
	Flux    map[string]string `json:"flux"`
}

func main() {
	input := bufio.NewScanner(os.Stdin)
	input.Buffer(nil, 16<<20)
	output := json.NewEncoder(os.Stdout)
	for input.Scan() {
		var asked question
		must(json.Unmarshal(input.Bytes(), &asked))
		// As clients of Kubernetes decode it: whole numbers stay whole.
		object := &unstructured.Unstructured{}
		raw, err := json.Marshal(asked.Object)
		must(err)
		must(object.UnmarshalJSON(raw))
		must(output.Encode(answered(asked, object)))
	}
	must(input.Err())
}

func answered(asked question, object *unstructured.Unstructured) answer {
	found := answer{Flux: map[string]string{}}
	result, err := status.Compute(object)
	must(err)
	found.Kstatus = result.Status.String()
	for name, exprs := range asked.Exprs {
		evaluator, err := cel.NewStatusEvaluator(&exprs)
		must(err)
		result, err := evaluator.Evaluate(context.Background(), object)
		if err != nil {
			found.Flux[name] = "Unknown"
		} else {
			found.Flux[name] = result.Status.String()
		}
	}
	return found
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
