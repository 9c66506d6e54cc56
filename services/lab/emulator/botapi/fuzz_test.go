package botapi_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// FuzzCall sends anything as a call. Whatever it is, there is one answer in the
// Bot API's form, and one record of it in the log.
func FuzzCall(f *testing.F) {
	for _, seed := range [][4]string{
		{"sendMessage", "chat_id=1", "application/json", `{"text":"x"}`},
		{"sendMessage", "", "application/x-www-form-urlencoded", "chat_id=-1001&text=%F0%9F%98%80&parse_mode=HTML"},
		{"setMessageReaction", "", "application/json", `{"chat_id":-5,"message_id":1,"reaction":[{"type":"emoji","emoji":"👍"}]}`},
		{"editMessageText", "message_id=1", "multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\ny\r\n--x--"},
		{"setWebhook", "url=http://127.0.0.1/&secret_token=a", "", ""},
		{"setMyCommands", "", "application/json", `{"commands":[{"command":"a","description":"b"}],"scope":{"type":"default"}}`},
		{"getUpdates", "offset=-1&limit=0&allowed_updates=[]", "", ""},
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3])
	}

	r := newRig(f)
	r.say(r.books, "Hello")
	r.api.Stop() // nobody may wait

	f.Fuzz(func(t *testing.T, name, query, contentType, body string) {
		if strings.ContainsAny(name, "/") || name == "" {
			return // another path
		}

		before := r.calls.Last()
		req := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		req.URL.Path, req.URL.RawQuery = "/bot"+r.ada+"/"+name, query
		req.Header.Set("Content-Type", contentType)

		got := r.do(req)

		var reply struct {
			OK          *bool           `json:"ok"`
			Result      json.RawMessage `json:"result"`
			ErrorCode   int             `json:"error_code"`
			Description string          `json:"description"`
		}
		if err := json.Unmarshal(got.Body.Bytes(), &reply); err != nil || reply.OK == nil {
			t.Fatalf("%d %s: %v", got.Code, got.Body, err)
		}

		if ok := got.Code == http.StatusOK; ok != *reply.OK || ok == (reply.Result == nil) || !ok && (reply.ErrorCode != got.Code || reply.Description == "") {
			t.Errorf("%d %s", got.Code, got.Body)
		}

		if got.Code == http.StatusInternalServerError && !strings.HasSuffix(reply.Description, ": restart") {
			t.Errorf("%s", got.Body)
		}

		if after := r.calls.Last(); after != before+1 {
			t.Errorf("%d records were made", after-before)
		}
	})
}
