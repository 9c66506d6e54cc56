package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// The stages of the job.
const (
	stagePlan  = "plan"
	stageWrite = "write"
	stageSend  = "send"
)

// chats is the number of chats that the jobs belong to, in turn.
const chats = 2000

// job is a turn on its way through the stages.
type job struct {
	ID   int    `json:"id"`
	Chat int    `json:"chat"`
	Text string `json:"text,omitempty"`
}

// Kind implements river.JobArgs.
func (job) Kind() string { return "turn" }

func (j job) encode() ([]byte, error) { return json.Marshal(j) }

func decode(b []byte) (j job, err error) {
	err = json.Unmarshal(b, &j)
	return j, err
}

// next returns a stage's result for a job, and the next stage; empty after the last.
func next(stage string, j job) (job, string) {
	switch stage {
	case stagePlan:
		return j, stageWrite
	case stageWrite:
		j.Text = fmt.Sprintf("%08d: I was reading the second chapter again, and the dialogue carries it more than the plot ever does, I think.", j.ID)
		return j, stageSend
	}
	return j, ""
}

// telegram sends messages to a Bot API.
type telegram struct {
	url    string
	client *http.Client
}

func newTelegram(base string) telegram {
	return telegram{base + "/bot1:peers/sendMessage", &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: 4 * workers}, Timeout: 5 * time.Second,
	}}
}

func (t telegram) send(ctx context.Context, j job) error {
	form := url.Values{"chat_id": {strconv.Itoa(j.Chat)}, "text": {j.Text}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, t.url, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r, err := t.client.Do(request)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	var answer struct {
		OK bool `json:"ok"`
	}
	if err := json.NewDecoder(r.Body).Decode(&answer); err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, r.Body)
	if !answer.OK {
		return fmt.Errorf("sendMessage: %s", r.Status)
	}
	return nil
}
