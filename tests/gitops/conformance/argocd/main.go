// Argo CD's own parts in one program: its application controller, its repository server, and the cache that
// both share, which Argo CD's tests use in place of Redis; its Lua, asked by the line; and the tree of an
// Application's resources, read as Argo CD's API server reads it.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"strings"

	"github.com/alicebob/miniredis/v2"
	controller "github.com/argoproj/argo-cd/v3/cmd/argocd-application-controller/commands"
	repositories "github.com/argoproj/argo-cd/v3/cmd/argocd-repo-server/commands"
	"github.com/argoproj/argo-cd/v3/pkg/apiclient/application"
	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/util/cache/appstate"
	"github.com/argoproj/argo-cd/v3/util/lua"
	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func main() {
	program := &cobra.Command{Use: "argocd", SilenceUsage: true}
	program.AddCommand(named("controller", controller.NewCommand()))
	program.AddCommand(named("repo-server", repositories.NewCommand()))
	program.AddCommand(&cobra.Command{Use: "cache ADDRESS", Args: cobra.ExactArgs(1), RunE: cache})
	program.AddCommand(&cobra.Command{Use: "lua", Args: cobra.NoArgs, RunE: answer})
	program.AddCommand(tree())
	if err := program.Execute(); err != nil {
		os.Exit(1)
	}
}

func named(name string, command *cobra.Command) *cobra.Command {
	command.Use = name
	return command
}

func cache(_ *cobra.Command, args []string) error {
	server := miniredis.NewMiniRedis()
	if err := server.StartAddr(args[0]); err != nil {
		return err
	}
	stopped := make(chan os.Signal, 1)
	signal.Notify(stopped, os.Interrupt)
	<-stopped
	server.Close()
	return nil
}

// The tree that the controller has put into the cache. The API server and the pages show this one.
func tree() *cobra.Command {
	command := &cobra.Command{Use: "tree APPLICATION", Args: cobra.ExactArgs(1)}
	open := appstate.AddCacheFlagsToCmd(command)
	command.RunE = func(_ *cobra.Command, args []string) error {
		cache, err := open()
		if err != nil {
			return err
		}
		found := v1alpha1.ApplicationTree{}
		if err := cache.GetAppResourcesTree(args[0], &found); err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(found)
	}
	return command
}

// The question is a line of JSON. Settings are the data of argocd-cm.
type question struct {
	Settings map[string]string `json:"settings"`
	Object   map[string]any    `json:"object"`
	Action   string            `json:"action"`
	Params   map[string]string `json:"params"`
}

func answer(_ *cobra.Command, _ []string) error {
	input := bufio.NewScanner(os.Stdin)
	input.Buffer(nil, 16<<20)
	output := json.NewEncoder(os.Stdout)
	for input.Scan() {
		var asked question
		if err := json.Unmarshal(input.Bytes(), &asked); err != nil {
			return err
		}
		// As clients of Kubernetes decode it: whole numbers stay whole.
		object := &unstructured.Unstructured{}
		raw, err := json.Marshal(asked.Object)
		if err != nil {
			return err
		}
		if err := object.UnmarshalJSON(raw); err != nil {
			return err
		}
		answered := map[string]any{}
		if found, err := answerOne(asked, object); err != nil {
			answered["error"] = err.Error()
		} else {
			answered["result"] = found
		}
		if err := output.Encode(answered); err != nil {
			return err
		}
	}
	return input.Err()
}

// The health of an object, or what can be done to it ("actions"), or what an action makes of it.
func answerOne(asked question, object *unstructured.Unstructured) (any, error) {
	vm := lua.VM{ResourceOverrides: overrides(asked.Settings)}
	switch asked.Action {
	case "":
		return lua.ResourceHealthOverrides(vm.ResourceOverrides).GetResourceHealth(object)
	case "actions":
		scripts, err := vm.GetResourceActionDiscovery(object)
		if err != nil {
			return nil, err
		}
		return vm.ExecuteResourceActionDiscovery(object, scripts)
	}
	action, err := vm.GetResourceAction(object, asked.Action)
	if err != nil {
		return nil, err
	}
	var params []*application.ResourceActionParameters
	for name, value := range asked.Params {
		params = append(params, &application.ResourceActionParameters{Name: &name, Value: &value})
	}
	impacted, err := vm.ExecuteResourceAction(object, action.ActionLua, params)
	if err != nil {
		return nil, err
	}
	if len(impacted) != 1 || impacted[0].K8SOperation != lua.PatchOperation {
		return nil, fmt.Errorf("action %s does not patch one object", asked.Action)
	}
	return impacted[0].UnstructuredObj.Object, nil
}

// Keys such as resource.customizations.health.surefoot.dev_Rollout.
func overrides(settings map[string]string) map[string]v1alpha1.ResourceOverride {
	found := map[string]v1alpha1.ResourceOverride{}
	for key, value := range settings {
		rest, isCustomization := strings.CutPrefix(key, "resource.customizations.")
		what, kind, isForKind := strings.Cut(rest, ".")
		if !isCustomization || !isForKind {
			continue
		}
		kind = strings.Replace(kind, "_", "/", 1)
		override := found[kind]
		switch what {
		case "health":
			override.HealthLua = value
		case "actions":
			override.Actions = value
		}
		found[kind] = override
	}
	return found
}
