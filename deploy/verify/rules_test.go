package verify_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"
)

// workload is what runs pods, whatever its kind.
type workload struct {
	object

	pod      corev1.PodTemplateSpec
	serves   bool // it runs for as long as it may
	chorus   bool // it is one of the four services
	replicas *int32
}

func workloads(t *testing.T, objects []object) []workload {
	t.Helper()
	var all []workload
	for _, o := range objects {
		switch o.kind {
		case "Deployment":
			d := read[appsv1.Deployment](t, o)
			all = append(all, workload{o, d.Spec.Template, true, d.Labels["app.kubernetes.io/name"] == "chorus", d.Spec.Replicas})
		case "StatefulSet":
			s := read[appsv1.StatefulSet](t, o)
			all = append(all, workload{o, s.Spec.Template, true, false, s.Spec.Replicas})
		case "Job":
			all = append(all, workload{o, read[batchv1.Job](t, o).Spec.Template, false, false, nil})
		}
	}
	return all
}

func read[T any](t *testing.T, o object) T {
	t.Helper()
	var value T
	if err := yaml.UnmarshalStrict(o.yaml, &value); err != nil {
		t.Fatalf("%s %s: %v", o.kind, o.name, err)
	}
	return value
}

func TestPodsKeepToTheRules(t *testing.T) {
	t.Parallel()
	eachOverlay(t, func(t *testing.T, objects []object) {
		t.Helper()
		for _, w := range workloads(t, objects) {
			wrong := func(what string) { t.Errorf("%s %s: %s", w.kind, w.name, what) }
			checkPod(w.pod.Spec, wrong)
			for _, c := range w.pod.Spec.InitContainers {
				checkContainer(c, wrong)
			}
			for _, c := range w.pod.Spec.Containers {
				checkContainer(c, wrong)
				if w.serves && (c.LivenessProbe == nil || c.ReadinessProbe == nil) {
					wrong("has no probes")
				}
			}
			if w.chorus {
				checkService(t, w, objects, wrong)
			}
		}
	})
}

func checkPod(p corev1.PodSpec, wrong func(string)) {
	if p.ServiceAccountName == "" || p.ServiceAccountName == "default" || p.AutomountServiceAccountToken == nil || *p.AutomountServiceAccountToken {
		wrong("may speak to Kubernetes")
	}
	s := p.SecurityContext
	if s == nil || s.RunAsNonRoot == nil || !*s.RunAsNonRoot || s.RunAsUser != nil && *s.RunAsUser == 0 {
		wrong("may run as root")
	}
	if s == nil || s.SeccompProfile == nil || s.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
		wrong("may make any system call")
	}
	if p.HostNetwork || p.HostPID || p.HostIPC {
		wrong("is not apart from its host")
	}
	for _, v := range p.Volumes {
		if v.HostPath != nil {
			wrong("reads its host's files")
		}
	}
}

func checkContainer(c corev1.Container, wrong func(string)) {
	// The image's version is given, and is none that moves.
	if _, tag, found := strings.Cut(c.Image, ":"); !found || tag == "latest" {
		wrong("has the image " + c.Image + ", want a version")
	}
	for _, r := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		_, requested := c.Resources.Requests[r]
		if _, limited := c.Resources.Limits[r]; !requested || !limited {
			wrong("asks for no " + string(r) + ", or has no limit of it")
		}
	}
	s := c.SecurityContext
	if s == nil || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem {
		wrong("may write to its image")
	}
	if s == nil || s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation {
		wrong("may get more rights")
	}
	if s == nil || s.Capabilities == nil || len(s.Capabilities.Drop) != 1 || s.Capabilities.Drop[0] != "ALL" || len(s.Capabilities.Add) > 0 {
		wrong("has capabilities")
	}
	for _, e := range c.Env {
		if secretive(e.Name) && e.Value != "" {
			wrong("has the secret " + e.Name + " in clear")
		}
	}
}

// The longest drain, sender.grace and what follows it, is far below.
const leastGrace = 30

func checkService(t *testing.T, w workload, objects []object, wrong func(string)) {
	t.Helper()
	if g := w.pod.Spec.TerminationGracePeriodSeconds; g == nil || *g < leastGrace {
		wrong("gets too little time to drain")
	}
	if len(w.pod.Spec.TopologySpreadConstraints) < 2 {
		wrong("may be in one zone, on one node")
	}
	budgeted := false
	for _, o := range objects {
		if o.kind == "PodDisruptionBudget" {
			b := read[policyv1.PodDisruptionBudget](t, o)
			budgeted = budgeted || selects(t, b.Spec.Selector, w.pod.Labels)
		}
	}
	if !budgeted {
		wrong("has no disruption budget")
	}
}

func selects(t *testing.T, s *v1.LabelSelector, of map[string]string) bool {
	t.Helper()
	selector, err := v1.LabelSelectorAsSelector(s)
	if err != nil {
		t.Fatal(err)
	}
	return selector.Matches(labels.Set(of))
}

// secretive tells whether a variable holds a secret, and does not only name a file
// or variable with it.
func secretive(name string) bool {
	return regexp.MustCompile(`(PASSWORD|TOKEN|SECRET|KEYS?|CREDENTIALS)$`).MatchString(name)
}

func TestNoSecretIsInClear(t *testing.T) {
	t.Parallel()
	inURL := regexp.MustCompile(`[a-z]+://[^/\s:@]*:[^/\s@]+@`)
	token := regexp.MustCompile(`\b[0-9]{8,10}:[A-Za-z0-9_-]{30,}`)
	eachOverlay(t, func(t *testing.T, objects []object) {
		t.Helper()
		for _, o := range objects {
			if o.kind == "Secret" {
				t.Errorf("Secret %s stands in the repository", o.name)
			}
			if inURL.Match(o.yaml) || token.Match(o.yaml) {
				t.Errorf("%s %s holds a password or a token", o.kind, o.name)
			}
			if o.kind != "ConfigMap" {
				continue
			}
			for key, value := range read[corev1.ConfigMap](t, o).Data {
				if secretive(key) && !strings.HasPrefix(value, "file:") && !strings.HasPrefix(value, "env:") {
					t.Errorf("ConfigMap %s has %s in clear", o.name, key)
				}
			}
		}
	})
}

func TestEveryServiceIsDeployed(t *testing.T) {
	t.Parallel()
	eachOverlay(t, func(t *testing.T, objects []object) {
		t.Helper()
		have := map[string]bool{}
		for _, w := range workloads(t, objects) {
			have[w.name] = true
		}
		for _, name := range []string{"chorus-planner", "chorus-generator", "chorus-sender", "chorus-listener", "chorus-console"} {
			if !have[name] {
				t.Errorf("%s is missing", name)
			}
		}
	})
}

// Objects that can't be changed once they exist make kubectl apply fail as soon as a
// setting or a version changes.
func TestEveryObjectCanBeAppliedAgain(t *testing.T) {
	t.Parallel()
	eachOverlay(t, func(t *testing.T, objects []object) {
		t.Helper()
		for _, w := range workloads(t, objects) {
			if w.kind == "Job" {
				t.Errorf("Job %s: a change of its template is refused", w.name)
			}
			if !w.chorus {
				continue
			}
			if len(w.pod.Spec.InitContainers) == 0 || !slices.Equal(w.pod.Spec.InitContainers[0].Args, []string{"migrate", "up"}) ||
				w.pod.Spec.InitContainers[0].Image != w.pod.Spec.Containers[0].Image {
				t.Errorf("%s starts before the schema is what its version needs", w.name)
			}
			for _, c := range append(w.pod.Spec.InitContainers, w.pod.Spec.Containers...) {
				// Kustomize renames what it makes with each change of the content.
				if len(c.EnvFrom) != 1 || !regexp.MustCompile(`^chorus-[a-z0-9]{10}$`).MatchString(c.EnvFrom[0].ConfigMapRef.Name) {
					t.Errorf("%s: a change of the configuration does not roll %s", w.name, c.Name)
				}
			}
		}
	})
}

func TestAutoscalersAloneDecideHowManyThereAre(t *testing.T) {
	t.Parallel()
	scaled := 0
	for _, overlay := range []string{"prod", "prod-hpa"} {
		objects := render(t, filepath.Join(overlays, overlay))
		rules := map[string]bool{}
		for _, o := range objects {
			if o.kind == "HorizontalPodAutoscaler" || o.kind == "ScaledObject" {
				var a struct {
					Spec struct {
						ScaleTargetRef struct {
							Name string `json:"name"`
						} `json:"scaleTargetRef"`
					} `json:"spec"`
				}
				if err := yaml.Unmarshal(o.yaml, &a); err != nil {
					t.Fatal(err)
				}
				rules[a.Spec.ScaleTargetRef.Name] = true
			}
		}
		for _, w := range workloads(t, objects) {
			if rules[w.name] {
				scaled++
			}
			if rules[w.name] == (w.replicas != nil) {
				t.Errorf("%s: %s has replicas: %t, and an autoscaler: %t", overlay, w.name, w.replicas != nil, rules[w.name])
			}
		}
	}
	if scaled != 4 {
		t.Errorf("%d deployments are scaled, want 4", scaled)
	}
}

// mounted is the keys of Secrets that a pod mounts; all of one that is mounted whole.
func mounted(p corev1.PodSpec) map[string]bool {
	keys := map[string]bool{}
	add := func(items []corev1.KeyToPath) {
		for _, i := range items {
			keys[i.Key] = true
		}
		if len(items) == 0 {
			keys["*"] = true
		}
	}
	for _, v := range p.Volumes {
		if v.Secret != nil {
			add(v.Secret.Items)
		}
		if v.Projected != nil {
			for _, source := range v.Projected.Sources {
				if source.Secret != nil {
					add(source.Secret.Items)
				}
			}
		}
	}
	return keys
}

func TestWhoSendsNothingHasNoKeys(t *testing.T) {
	t.Parallel()
	eachOverlay(t, func(t *testing.T, objects []object) {
		t.Helper()
		for _, w := range workloads(t, objects) {
			keys := mounted(w.pod.Spec)
			opens := slices.Contains([]string{"chorus-sender", "chorus-listener", "chorus-console"}, w.name)
			writes := w.name == "chorus-generator" || w.name == "chorus-console"
			if keys["*"] || keys["keys"] != opens || keys["llm_key"] != writes {
				t.Errorf("%s mounts the secrets %v", w.name, slices.Sorted(maps.Keys(keys)))
			}
			if w.chorus && (!keys["database_url"] || !keys["metrics_token"]) {
				t.Errorf("%s lacks secrets: it mounts %v", w.name, slices.Sorted(maps.Keys(keys)))
			}
		}
	})
}

func TestOpenShiftChoosesTheUser(t *testing.T) {
	t.Parallel()
	for _, w := range workloads(t, render(t, "testdata/overlays/openshift")) {
		s := w.pod.Spec.SecurityContext
		if s.RunAsUser != nil || s.RunAsGroup != nil || s.FSGroup != nil {
			t.Errorf("%s runs as %v, %v, %v, want whom it is given", w.name, s.RunAsUser, s.RunAsGroup, s.FSGroup)
		}
	}
}

// What each component opens, and for whom.
func TestComponentsOpenTheWay(t *testing.T) {
	t.Parallel()
	for overlay, want := range map[string][]string{
		"openshift": {"chorus-openshift-dns", "chorus-proxy"},
		"inside":    {"chorus-node-local-dns", "chorus-internet-ipv6", "chorus-model"},
	} {
		var have []string
		for _, o := range render(t, filepath.Join("testdata/overlays", overlay)) {
			if o.kind != "NetworkPolicy" {
				continue
			}
			have = append(have, o.name)
			p := read[networkingv1.NetworkPolicy](t, o)
			if o.name != "chorus-deny" && (len(p.Spec.PodSelector.MatchLabels) == 0 && len(p.Spec.PodSelector.MatchExpressions) == 0) {
				t.Errorf("%s opens the way for everybody", o.name)
			}
		}
		for _, name := range want {
			if !slices.Contains(have, name) {
				t.Errorf("%s: %s is missing in %v", overlay, name, have)
			}
		}
	}
	for _, o := range render(t, "testdata/overlays/inside") {
		if o.kind != "ConfigMap" {
			continue
		}
		data := read[corev1.ConfigMap](t, o).Data
		if data["CHORUS_OPS_LISTEN"] != "[::]:9464" || data["CHORUS_LISTENER_LISTEN"] != "[::]:8081" || !strings.Contains(data["CHORUS_LLM_URL"], "svc.cluster.local:11434") {
			t.Errorf("%s has %v", o.name, data)
		}
	}
}

func TestTheOperatorHasTheSameRules(t *testing.T) {
	t.Parallel()
	type rules struct {
		Groups any `json:"groups"`
	}
	var plain rules
	var wrapped struct {
		Spec rules `json:"spec"`
	}
	for file, into := range map[string]any{"../prometheus/alerts.yaml": &plain, "../k8s/components/monitoring/rules.yaml": &wrapped} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := yaml.Unmarshal(text, into); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(plain, wrapped.Spec); diff != "" {
		t.Errorf("deploy/prometheus/alerts.yaml and deploy/k8s/components/monitoring/rules.yaml differ: %s", diff)
	}
}

// The rules ask for job="chorus". Without a job label the operator would name the
// job after the Service.
func TestTheOperatorNamesTheJobAsTheRulesDo(t *testing.T) {
	t.Parallel()
	var monitor struct {
		Spec struct {
			JobLabel string           `json:"jobLabel"`
			Selector v1.LabelSelector `json:"selector"`
		} `json:"spec"`
	}
	text, err := os.ReadFile("../k8s/components/monitoring/servicemonitor.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &monitor); err != nil {
		t.Fatal(err)
	}
	eachOverlay(t, func(t *testing.T, objects []object) {
		t.Helper()
		found := false
		for _, o := range objects {
			if o.kind != "Service" {
				continue
			}
			s := read[corev1.Service](t, o)
			if !selects(t, &monitor.Spec.Selector, s.Labels) {
				continue
			}
			found = true
			if job := s.Labels[monitor.Spec.JobLabel]; job != "chorus" {
				t.Errorf("the job of Service %s is %q by its label %q", o.name, job, monitor.Spec.JobLabel)
			}
		}
		if !found {
			t.Error("no Service has metrics")
		}
	})
}
