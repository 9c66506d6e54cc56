package verify_test

import (
	"path/filepath"
	"testing"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

const overlays = "../k8s/overlays"

// object is one of a rendered overlay.
type object struct {
	apiVersion, kind, name string
	yaml                   []byte
}

// eachOverlay renders every overlay, as kubectl apply -k does.
func eachOverlay(t *testing.T, check func(t *testing.T, objects []object)) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(overlays, "*", "kustomization.yaml"))
	if err != nil || len(found) < 3 {
		t.Fatalf("there are the overlays %v, want 3 at least (%v)", found, err)
	}
	// Those of the tests have the components that no overlay has.
	others, err := filepath.Glob(filepath.Join("testdata/overlays", "*", "kustomization.yaml"))
	if err != nil || len(others) == 0 {
		t.Fatalf("the tests have no overlays (%v)", err)
	}
	for _, file := range append(found, others...) {
		t.Run(filepath.Base(filepath.Dir(file)), func(t *testing.T) {
			t.Parallel()
			check(t, render(t, filepath.Dir(file)))
		})
	}
}

func render(t *testing.T, dir string) []object {
	t.Helper()
	all, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		t.Fatal(err)
	}
	objects := make([]object, 0, all.Size())
	for _, r := range all.Resources() {
		text, err := r.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		objects = append(objects, object{r.GetApiVersion(), r.GetKind(), r.GetName(), text})
	}
	return objects
}
