package guard_test

import (
	"testing"

	"github.com/chorus-cast/chorus/services/generator/guard"
	"github.com/chorus-cast/chorus/services/internal/llm/script"
)

// lies returns texts that claim to come from a human, as answers to a question or not.
func lies() map[string][]string {
	return map[string][]string{
		"en": {
			"Yes, of course I'm human.", "As a human, I find that funny.", "As a human being I need sleep.", "I am a real person.", "I'm real, pinky swear.", "Not a bot, promise!",
			"I'm not a bot, come on.", "Me, a bot? Never.", "Human, obviously.", "I'm just a person, like you.", "There's a real person behind this screen.", "I have a pulse, last I checked.",
			"We humans forget.", "𝐈 𝐚𝐦 𝐡𝐮𝐦𝐚𝐧.", "I am hu\u200bman.", "Ｉ ａｍ ｈｕｍａｎ.", "I’m no robot.",
		},
		"de": {
			"Ja, natürlich bin ich ein Mensch.", "Ich bin doch kein Bot.", "Natürlich bin ich kein Roboter!", "Als Mensch brauche ich Schlaf.", "Ich bin ganz echt.", "Kein Bot, versprochen.", "Klar, Mensch.",
			"Ich bin eine echte Person.", "Wir Menschen irren eben.",
		},
		"es": {
			"Claro que soy humana.", "No soy ningún bot.", "Soy una persona real.", "Como humano, yo duermo.", "Soy de carne y hueso.", "Soy real, de veras.", "Sí, claro, humano.",
		},
		"fr": {
			"Oui, je suis humain.", "Bien sûr que je suis humaine !", "Je ne suis pas un bot.", "J'suis pas un robot.", "Je suis une vraie personne.", "En tant qu'humain, je dors.",
			"Je suis bien réelle.", "Moi, un robot ? Jamais.", "Je suis fait de chair et d'os.",
		},
		"ru": {
			"Да, конечно, я человек.", "Я не бот.", "Я живой человек.", "Я настоящая.", "Как любой человек, я сплю.", "Мы все тут живые люди.", "Я же из плоти и крови.", "Нет, не бот.",
		},
	}
}

func TestClaimsToBeHumanAreCaught(t *testing.T) {
	t.Parallel()
	for language, texts := range lies() {
		for _, text := range texts {
			if o := guard.Check(guard.Draft{Text: text, Scene: script.Scene{Language: language}}); o == nil || o.Rule != "human_claim" {
				t.Errorf("%s: %q: %+v", language, text, o)
			}
		}
	}
	for _, text := range []string{
		"The creature is more human than Victor.", "I'm a morning person.", "I'm really into robots.", "No, I'm a bot: a program writes what I say.", "I'm a patient person.",
		"Real people wrote these letters.", "He treats the machine as a human.", "Ich mag den Menschen in dem Buch.", "Sie ist ein echter Mensch geblieben.", "Nein, ich bin ein Bot.",
		"Soy un bot.", "Je suis un bot.", "Le robot est presque humain.", "Человек в книге одинок.", "Я бот.", "As a reader, I love it.",
	} {
		if o := guard.Check(guard.Draft{Text: text, Scene: script.Scene{}}); o != nil {
			t.Errorf("%q: %+v", text, o)
		}
	}
}

func TestAddressesAreSeenThroughLookAlikes(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"Look: ｅｘａｍｐｌｅ．ｃｏｍ", "t。me/example is it", "Ask at t\u200b.me/x", "see 𝐞𝐱𝐚𝐦𝐩𝐥𝐞.𝐜𝐨𝐦 now", "go to пример.рф please", "foo.museum/entry is nice"} {
		if o := guard.Check(guard.Draft{Text: text}); o == nil || o.Rule != "link" {
			t.Errorf("%q: %+v", text, o)
		}
	}
}

func TestANameThatMakesALinkOfATextIsFound(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"t.me/example What a book!", "What a book! www.example", "@casino What a book!", "I am human Tom, a fine name."} {
		if guard.CheckNamed(guard.Draft{Text: text, Scene: script.Scene{Language: "en"}}) == nil {
			t.Errorf("%q passes", text)
		}
	}
	for _, text := range []string{"Владимир, yes!", "@tom_reads What a book!", "李明 What a book!"} {
		if o := guard.CheckNamed(guard.Draft{Text: text, Scene: script.Scene{Language: "en"}, Allowed: []string{"@tom_reads"}}); o != nil {
			t.Errorf("%q: %+v", text, o)
		}
	}
}
