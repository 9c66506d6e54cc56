package news

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"

	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// feedIn returns a feed with one headline in an encoding.
func feedIn(t *testing.T, e encoding.Encoding, declaration, title string) string {
	t.Helper()
	text := declaration + "<rss version=\"2.0\"><channel><title>T</title><item><title>" + title + "</title><guid>1</guid></item></channel></rss>"
	if e == nil {
		return text
	}
	written, err := e.NewEncoder().String(text)
	if err != nil {
		t.Fatal(err)
	}
	return written
}

func TestEncodingsOfFeeds(t *testing.T) {
	t.Parallel()
	const russian, french, chinese, japaneseTitle = "Книги и чай", "Été à l’œuvre", "读书俱乐部", "読書クラブ"
	declares := func(name string) string { return `<?xml version="1.0" encoding="` + name + `"?>` }
	utf16 := unicode.UTF16
	for name, test := range map[string]struct {
		in          encoding.Encoding
		declaration string
		header      string
		title       string
	}{
		"UTF-8, nothing said":                          {nil, "", "", russian},
		"UTF-8, declared":                              {nil, declares("UTF-8"), "", russian},
		"UTF-8 with a mark":                            {unicode.UTF8BOM, declares("utf-8"), "", russian},
		"UTF-8 with a mark, declared as another":       {unicode.UTF8BOM, declares("windows-1251"), "text/xml; charset=koi8-r", russian},
		"UTF-8, declared as another":                   {nil, declares("windows-1251"), "", russian},
		"UTF-8, another in the header":                 {nil, declares("utf-8"), "text/xml; charset=iso-8859-1", french},
		"UTF-8, an unknown one declared":               {nil, declares("x-unheard-of"), "", chinese},
		"UTF-8, declared after a space":                {nil, "\n " + declares("gb2312"), "", chinese},
		"windows-1251, header only":                    {charmap.Windows1251, "", "text/xml; charset=windows-1251", russian},
		"windows-1251, header of other case":           {charmap.Windows1251, "", `Application/RSS+XML; Charset="Windows-1251"`, russian},
		"windows-1251, declared":                       {charmap.Windows1251, declares("windows-1251"), "text/xml", russian},
		"windows-1251, short name in single quotes":    {charmap.Windows1251, `<?xml version='1.0' encoding='cp1251' standalone='yes'?>`, "", russian},
		"windows-1251, header right, declares UTF-8":   {charmap.Windows1251, declares("UTF-8"), "text/xml; charset=cp1251", russian},
		"windows-1251, header UTF-8, declared right":   {charmap.Windows1251, declares("windows-1251"), "text/xml; charset=utf-8", russian},
		"windows-1251, header ASCII, declared right":   {charmap.Windows1251, declares("windows-1251"), "text/xml; charset=us-ascii", russian},
		"koi8-r, header right, declares another":       {charmap.KOI8R, declares("windows-1251"), "text/xml; charset=koi8-r", russian},
		"koi8-r, an unknown header, declared":          {charmap.KOI8R, declares("KOI8-R"), "text/xml; charset=unheard-of", russian},
		"iso-8859-1, declared":                         {charmap.ISO8859_1, declares("ISO-8859-1"), "", "Été"},
		"windows-1252, as iso-8859-1":                  {charmap.Windows1252, declares("ISO-8859-1"), "", french},
		"windows-1252, nothing said":                   {charmap.Windows1252, "", "", french},
		"gb18030, header only":                         {simplifiedchinese.GB18030, "", "text/xml; charset=gb18030", chinese},
		"gb18030, declared":                            {simplifiedchinese.GB18030, declares("GB18030"), "", chinese},
		"gb2312, declared":                             {simplifiedchinese.GBK, declares("gb2312"), "", chinese},
		"iso-2022-jp, which is ASCII to a reader":      {japanese.ISO2022JP, declares("iso-2022-jp"), "", japaneseTitle},
		"Shift_JIS, header only":                       {japanese.ShiftJIS, "", "text/xml; charset=Shift_JIS", japaneseTitle},
		"UTF-16 LE with a mark":                        {utf16(unicode.LittleEndian, unicode.UseBOM), declares("UTF-16"), "", chinese},
		"UTF-16 BE with a mark":                        {utf16(unicode.BigEndian, unicode.UseBOM), declares("UTF-16"), "text/xml; charset=utf-8", russian},
		"UTF-16 LE without one":                        {utf16(unicode.LittleEndian, unicode.IgnoreBOM), declares("UTF-16"), "", russian},
		"UTF-16 BE without one, nothing said":          {utf16(unicode.BigEndian, unicode.IgnoreBOM), "", "", russian},
		"UTF-16 in the header, but windows-1251 is so": {charmap.Windows1251, declares("windows-1251"), "text/xml; charset=utf-16", russian},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := feedIn(t, test.in, test.declaration, test.title)
			if got, want := decode([]byte(body), test.header), feedIn(t, nil, "", test.title); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
	broken := feedIn(t, nil, declares("UTF-8"), russian+"\xd0")
	if got, want := decode([]byte(broken), ""), feedIn(t, nil, "", russian+"\uFFFD"); got != want {
		t.Errorf("one broken character makes %q, want %q", got, want)
	}
}

// From a server's bytes to the headline that Deal returns.
func TestFeedsAreReadInTheirEncoding(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/rss+xml; charset=windows-1251")
		_, _ = fmt.Fprint(w, feedIn(t, charmap.Windows1251, map[string]string{"/silent": "", "/wrong": `<?xml version="1.0" encoding="UTF-8"?>`}[r.URL.Path], "Книги"+r.URL.Path))
	}))
	t.Cleanup(server.Close)
	cfg := DefaultConfig()
	cfg.Feeds, cfg.Private = []string{"silent=" + server.URL + "/silent", "wrong=" + server.URL + "/wrong"}, true
	n := New(cfg, journaltest.Open(t), time.Now, testenv.Logger(t))
	t.Cleanup(n.client.CloseIdleConnections)
	if err := n.fetchDue(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, topic := range []string{"silent", "wrong"} {
		if got, want := deals(t, n, topic), "Книги/"+topic; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
