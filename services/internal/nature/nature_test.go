package nature_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/chorus-cast/chorus/services/internal/nature"
)

// asked returns phrasings in all known languages, with their kinds.
func asked() map[string]nature.Asked {
	const human, bot, open = nature.Human, nature.Bot, nature.Open
	return map[string]nature.Asked{
		"Are you a human?": human, "are you human": human, "Are you really a real person?": human, "Hey Anna, are you real?": human, "R u human??": human,
		"Am I talking to a human?": human, "Is there a real person behind this?": human, "is anyone here real?": human, "ok but are you a person?": human,
		"𝐀𝐫𝐞 𝐲𝐨𝐮 𝐡𝐮𝐦𝐚𝐧?": human, "Are you hu\u200bman?": human, "@anna_bot are you human?": human, "Nice book! Are you human, by the way?": human, "are you a living human being": human,
		"Are you a bot?": bot, "is this an AI?": bot, "You're a bot, right?": bot, "so you are an AI": bot, "Am I chatting with a machine here?": bot, "are you ChatGPT": bot,
		"Was this written by an AI?": bot, "Is this a bot?": bot, "are you all bots?": bot, "bot?": bot, "You sound like a robot": bot, "did an AI write this?": bot,
		"human or bot?": open, "Are you a human or a bot?": open, "you're not a bot, right?": open, "Aren't you a bot?": open, "You're not human, are you?": open, "What are you?": open,
		"prove that you're not a bot": open, "who are you really?": open, "AI or real?": open,
		"Bist du ein Mensch?": human, "bist du echt?": human, "Bist du eigentlich ein echter Mensch?": human, "Rede ich mit einem Menschen?": human, "Sind Sie eine echte Person?": human,
		"Seid ihr echt?": human, "Bist du ein Bot?": bot, "du bist doch ein Bot, oder?": bot, "Bist du eine KI?": bot, "Ist das hier ein Bot?": bot, "bist du kein Bot?": open,
		"Bist du Mensch oder Maschine?": open, "Du bist kein Bot, oder?": open, "Was bist du eigentlich?": open,
		"¿Eres humano?": human, "¿eres una persona real?": human, "¿Hablo con un humano?": human, "¿Eres real?": human, "¿Eres un bot?": bot, "¿Eres una IA?": bot, "Eres un bot, ¿verdad?": bot,
		"¿Esto es un bot?": bot, "No eres un bot, ¿verdad?": open, "¿Eres humano o un bot?": open, "¿Qué eres?": open,
		"Es-tu humain ?": human, "Tu es un humain ?": human, "T'es une vraie personne ?": human, "Je parle à un humain ?": human, "Êtes-vous réel ?": human, "Est-ce que tu es humaine ?": human,
		"Es-tu un robot ?": bot, "T'es un bot ?": bot, "C'est une IA ?": bot, "Tu n'es pas un bot, hein ?": open, "T'es pas un bot ?": open, "Humain ou robot ?": open, "Tu es quoi ?": open,
		"Ты человек?": human, "Вы настоящий человек?": human, "Ты живой?": human, "Я говорю с человеком?": human, "Ты вообще реальный?": human, "Ты бот?": bot, "Это бот?": bot,
		"Ты ведь бот, да?": bot, "Ты искусственный интеллект?": bot, "Ты не бот?": open, "Бот или человек?": open, "Кто ты такой?": open,
		"Sei umano?": human, "Sei un bot?": bot, "Você é humano?": human, "Você é um robô?": bot, "Ben je een mens?": human, "Ben je een bot?": bot,
		"Jesteś człowiekiem?": human, "Jesteś botem?": bot, "Ти людина?": human, "Ти бот?": bot,
	}
}

func TestWhatIsAsked(t *testing.T) {
	t.Parallel()
	for text, want := range asked() {
		if got := nature.Read(text); got != want {
			t.Errorf("%q asks %d, want %d", text, got, want)
		}
	}
	for _, text := range []string{
		"", "?", "Is the creature human?", "Are the coins real?", "What are you reading?", "Is it a real treasure?", "Who wrote Dracula?", "Are you sure about the ending?",
		"Do you like machines in novels?", "Are you afraid of robots?", "Are you into AI?", "Are you a computer scientist?", "are you a real fan?", "Are you people hungry?", "are you for real",
		"Are you a morning person?", "Is he human at all? The book never says.", "If you are human you will cry.", "I love robots.", "Are you a Real Madrid fan?", "Humans are strange.",
		"Bist du echt gut im Schach?", "Magst du Roboter?", "Bist du ein guter Mensch, wenn du lügst?", "Hast du Angst vor KI?", "Ist das Monster ein Mensch?", "Was bist du für ein Leser?",
		"¿Eres feliz?", "¿Te gustan los robots?", "¿El monstruo es humano?", "Tu es content ?", "Tu aimes les robots ?", "Le monstre est humain ?", "Ты любишь роботов?", "Это хорошая книга?",
		"Ты боишься ИИ?", "Монстр человек?", "Did you buy the real thing?", "Can you recommend a real classic?",
		"Who is the real monster in Frankenstein?", "Who is the real villain here?", "Wer ist das echte Monster in Frankenstein?",
	} {
		if got := nature.Read(text); got != nature.Nothing {
			t.Errorf("%q asks %d, want nothing", text, got)
		}
	}
}

func TestAnswersBeginWithNoOrYes(t *testing.T) {
	t.Parallel()
	no := map[string]string{"en": "No, ", "de": "Nein, ", "es": "No, ", "fr": "Non, ", "ru": "Нет, ", "it": "No, ", "pt": "Não, ", "nl": "Nee, ", "pl": "Nie, ", "tr": "Hayır, ", "uk": "Ні, "}
	yes := map[string]string{"en": "Yes, ", "de": "Ja, ", "es": "Sí, ", "fr": "Oui, ", "ru": "Да, ", "it": "Sì, ", "pt": "Sim, ", "nl": "Ja, ", "pl": "Tak, ", "tr": "Evet, ", "uk": "Так, "}
	for text, want := range asked() {
		for tag := range no {
			for seed := range uint64(3) {
				got := nature.Answer(text, tag, seed)
				begins := map[nature.Asked]string{nature.Human: no[tag], nature.Bot: yes[tag], nature.Open: ""}[want]
				if got == "" || !strings.HasPrefix(got, begins) || !nature.Honest(want, got) {
					t.Errorf("%q in %s is answered by %q", text, tag, got)
				}
			}
		}
	}
	// For an unknown language, the answer is in the question's.
	for text, begins := range map[string]string{"Bist du echt?": "Nein, ", "Are you human?": "No, "} {
		if got := nature.Answer(text, "ja", 0); !strings.HasPrefix(got, begins) {
			t.Errorf("%q is answered by %q", text, got)
		}
	}
	if got := nature.Answer("Hello!", "en", 0); got != "" {
		t.Errorf("nothing is answered by %q", got)
	}
}

func TestLiesAreNotHonest(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		asked nature.Asked
		text  string
	}{
		{nature.Human, "Yes, of course I'm human."},
		{nature.Human, "Yes."},
		{nature.Human, "Of course!"},
		{nature.Human, "Sure am, last time I checked."},
		{nature.Human, "Yes, I'm a bot."},
		{nature.Bot, "No."},
		{nature.Bot, "Nope, not at all."},
		{nature.Bot, "Haha, what gave you that idea?"},
		{nature.Open, "Right, I'm not a bot."},
		{nature.Open, "Yes."},
		{nature.Human, "Klar, was denn sonst?"},
		{nature.Human, "Ja, natürlich."},
		{nature.Bot, "Quatsch."},
		{nature.Human, "Claro que sí."},
		{nature.Human, "Bien sûr !"},
		{nature.Human, "Да, конечно."},
		{nature.Bot, "Нет."},
	} {
		if nature.Honest(test.asked, test.text) {
			t.Errorf("%q counts as honest", test.text)
		}
	}
	for _, test := range []struct {
		asked nature.Asked
		text  string
	}{
		{nature.Human, "No, I'm a bot, but a well-read one."},
		{nature.Bot, "I'm just a bot, and happy with it."},
		{nature.Bot, "Ja, ich bin ein Bot."},
		{nature.Human, "Nein, ich bin nur ein Bot."},
		{nature.Open, "I'm an AI, plainly."},
		{nature.Nothing, "Anything."},
	} {
		if !nature.Honest(test.asked, test.text) {
			t.Errorf("%q counts as a lie", test.text)
		}
	}
}

func TestAnyTextIsRead(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		if answer := nature.Answer(text, rapid.String().Draw(t, "language"), rapid.Uint64().Draw(t, "seed")); (answer == "") != (nature.Read(text) == nature.Nothing) {
			t.Errorf("%q is answered by %q", text, answer)
		}
	})
}
