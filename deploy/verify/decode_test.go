package verify_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"sigs.k8s.io/yaml"
)

// decoder reads objects as the API server does, and refuses fields that it would
// drop.
func decoder(t *testing.T) runtime.Decoder {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		corev1.AddToScheme, appsv1.AddToScheme, batchv1.AddToScheme,
		autoscalingv2.AddToScheme, networkingv1.AddToScheme, policyv1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	return serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
}

// definitions are the schemas of the kinds that KEDA and the Prometheus operator
// add, from their own releases.
func definitions(t *testing.T) map[schema.GroupVersionKind]*jsonschema.Schema {
	t.Helper()
	files, err := filepath.Glob("testdata/schemas/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no schemas: %v", err)
	}
	all := map[schema.GroupVersionKind]*jsonschema.Schema{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var crd struct {
			Spec struct {
				Group    string
				Names    struct{ Kind string }
				Versions []struct {
					Name   string
					Schema struct{ OpenAPIV3Schema map[string]any }
				}
			}
		}
		if err := yaml.Unmarshal(text, &crd); err != nil {
			t.Fatal(err)
		}
		for _, v := range crd.Spec.Versions {
			compiler := jsonschema.NewCompiler()
			if err := compiler.AddResource(file, strict(v.Schema.OpenAPIV3Schema)); err != nil {
				t.Fatal(err)
			}
			all[schema.GroupVersionKind{Group: crd.Spec.Group, Version: v.Name, Kind: crd.Spec.Names.Kind}] = compiler.MustCompile(file)
		}
	}
	return all
}

// strict refuses unknown fields wherever a schema lists the known ones.
func strict(node any) any {
	switch n := node.(type) {
	case map[string]any:
		for key, value := range n {
			n[key] = strict(value)
		}
		_, open := n["x-kubernetes-preserve-unknown-fields"]
		if _, lists := n["properties"].(map[string]any); lists && n["type"] == "object" && !open && n["additionalProperties"] == nil {
			n["additionalProperties"] = false
		}
		if n["x-kubernetes-int-or-string"] == true {
			delete(n, "pattern")
		}
	case []any:
		for i := range n {
			n[i] = strict(n[i])
		}
	}
	return node
}

func TestKubernetesTakesEveryObject(t *testing.T) {
	t.Parallel()
	builtIn, added := decoder(t), definitions(t)
	eachOverlay(t, func(t *testing.T, objects []object) {
		t.Helper()
		for _, o := range objects {
			kind := schema.FromAPIVersionAndKind(o.apiVersion, o.kind)
			if s := added[kind]; s != nil {
				var document any
				if err := yaml.Unmarshal(o.yaml, &document); err != nil {
					t.Errorf("%s %s: %v", o.kind, o.name, err)
				}
				// The metadata are Kubernetes' own.
				if m, ok := document.(map[string]any); ok {
					delete(m, "metadata")
				}
				if err := s.Validate(document); err != nil {
					t.Errorf("%s %s: %v", o.kind, o.name, err)
				}
				continue
			}
			if _, _, err := builtIn.Decode(o.yaml, nil, nil); err != nil {
				t.Errorf("%s %s: %v", o.kind, o.name, err)
			}
		}
	})
}

// The checks above are worth nothing if they take anything.
func TestMistakesAreFound(t *testing.T) {
	t.Parallel()
	builtIn, added := decoder(t), definitions(t)
	for name, text := range map[string]string{
		"unknown field": "apiVersion: v1\nkind: Service\nmetadata: {name: x}\nspec: {port: []}",
		"wrong type":    "apiVersion: v1\nkind: Service\nmetadata: {name: x}\nspec: {clusterIP: [1]}",
		"unknown kind":  "apiVersion: v1\nkind: Servise\nmetadata: {name: x}",
	} {
		if _, _, err := builtIn.Decode([]byte(text), nil, nil); err == nil {
			t.Errorf("%s: nothing was found", name)
		}
	}
	scaled := added[schema.GroupVersionKind{Group: "keda.sh", Version: "v1alpha1", Kind: "ScaledObject"}]
	if scaled == nil {
		t.Fatal("there is no schema of ScaledObject")
	}
	for name, spec := range map[string]map[string]any{
		"unknown field": {"scaleTargetRef": map[string]any{"name": "x"}, "triggers": []any{}, "minReplicas": 1},
		"wrong type":    {"scaleTargetRef": map[string]any{"name": "x"}, "triggers": []any{}, "minReplicaCount": "two"},
		"missing field": {"triggers": []any{}},
	} {
		if err := scaled.Validate(map[string]any{"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "spec": spec}); err == nil {
			t.Errorf("%s: nothing was found", name)
		}
	}
}
