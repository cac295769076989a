// Answers as the tools themselves do, from their own libraries: Lua as Argo CD runs it, kstatus, and the
// health expressions of Flux. It reads one question as JSON from each line of its input, and writes one
// answer to each line of its output.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/fluxcd/pkg/apis/kustomize"
	"github.com/fluxcd/pkg/runtime/cel"
	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	luajson "layeh.com/gopher-json"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

type question struct {
	Object map[string]any                              `json:"object"`
	Script string                                      `json:"script"`
	Params map[string]string                           `json:"params"`
	Exprs  map[string]kustomize.HealthCheckExpressions `json:"exprs"`
}

type answer struct {
	Lua     json.RawMessage   `json:"lua,omitempty"`
	Error   string            `json:"error,omitempty"`
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
	if asked.Script != "" {
		encoded, err := runLua(asked.Script, object.Object, asked.Params)
		if err != nil {
			found.Error = err.Error()
		}
		found.Lua = encoded
	}
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

// The libraries that Argo CD opens, without its `os` of `time` and `date`.
func runLua(script string, object map[string]any, params map[string]string) (json.RawMessage, error) {
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for name, open := range map[string]lua.LGFunction{
		lua.LoadLibName: lua.OpenPackage,
		lua.BaseLibName: lua.OpenBase,
		lua.TabLibName:  lua.OpenTable,
	} {
		must(state.CallByParam(
			lua.P{Fn: state.NewFunction(open), NRet: 0, Protect: true}, lua.LString(name)))
	}
	given := state.NewTable()
	for name, value := range params {
		given.RawSetString(name, lua.LString(value))
	}
	state.SetGlobal("actionParams", given)
	state.SetGlobal("obj", asLua(state, object))
	if err := state.DoString(script); err != nil {
		if failed, ok := err.(*lua.ApiError); ok {
			failed.StackTrace = ""
		}
		return nil, err
	}
	encoded, err := luajson.Encode(state.Get(-1))
	must(err)
	return encoded, nil
}

func asLua(state *lua.LState, value any) lua.LValue {
	switch value := value.(type) {
	case nil:
		return lua.LNil
	case bool:
		return lua.LBool(value)
	case string:
		return lua.LString(value)
	case int64:
		return lua.LNumber(value)
	case float64:
		return lua.LNumber(value)
	case []any:
		table := state.CreateTable(len(value), 0)
		for _, item := range value {
			table.Append(asLua(state, item))
		}
		return table
	case map[string]any:
		table := state.CreateTable(0, len(value))
		for key, item := range value {
			table.RawSetString(key, asLua(state, item))
		}
		return table
	}
	panic(fmt.Sprintf("JSON has no %T", value))
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
