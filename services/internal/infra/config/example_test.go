package config_test

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/pflag"

	"github.com/chorus-cast/chorus/services/internal/infra/config"
)

func ExampleTree() {
	sender := struct {
		ShortWait time.Duration `config:"short_wait" doc:"longest wait in a lane"`
		Typing    bool          `config:"typing" doc:"show the bots typing"`
	}{ShortWait: 5 * time.Second}
	tree := config.New(config.Section{Name: "sender", Value: &sender})

	flags := pflag.NewFlagSet("chorus", pflag.ContinueOnError)
	tree.Bind(flags)
	if err := flags.Parse([]string{"--sender.typing"}); err != nil {
		fmt.Println(err)
	}
	if err := tree.Load(flags, []string{"CHORUS_SENDER_SHORT_WAIT=7s"}); err != nil {
		fmt.Println(err)
	}
	if err := tree.Print(os.Stdout); err != nil {
		fmt.Println(err)
	}
	fmt.Println(tree.Load(nil, []string{"CHORUS_SENDER_SHORT_WAIT=soon", "CHORUS_SENDER_TYPNG=true"}))
	// Output:
	// sender:
	//   short_wait: 7s # CHORUS_SENDER_SHORT_WAIT
	//   typing: true # --sender.typing
	// CHORUS_SENDER_SHORT_WAIT: sender.short_wait: "soon", want a duration, such as 1m30s
	// CHORUS_SENDER_TYPNG: there is no such setting, did you mean CHORUS_SENDER_TYPING?
}
