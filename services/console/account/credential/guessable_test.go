package credential

import "testing"

func TestWhatIsEasyToGuessIsNoPassword(t *testing.T) {
	t.Parallel()
	for name, passwords := range map[string][]string{
		"one character":                   {"aaaaaaaaaaaaaaaa", "7777777777777", "ääääääääääääää"},
		"the alphabet and digits":         {"abcdefghijklmnop", "zyxwvutsrqponm", "123456789012345", "98765432109876", "12345678abcdefgh"},
		"rows and columns of keys":        {"qwertyuiop[]", "qwertzuiopü1", "1qaz2wsx3edc4rfv", "asdfghjklasdfgh", "poiuytrewqlk", "1q2w3e4r5t6y", "йцукенгшщзхъ"},
		"the user's name":                 {"annalena-annalena", "Annalena1990!", "xAnnalena2024x"},
		"the product":                     {"Chorus-Chorus-1", "chorus2026chorus", "ch0rusch0rus"},
		"a year beside a word":            {"michelle1987", "1999jennifer1999"},
		"a stolen password":               {"leavemealone", "123qweasdzxc", "qazwsxedcrfv", "sonyericsson"},
		"a stolen password with a little": {"password1234", "liverpool!!1!", "#Manchester1", "**jennifer**1", "p@ssw0rdp@ssw0rd"},
		"a stolen password as digits":     {"m1chelle2000", "l1verp00l!!!1"},
		"what is repeated":                {"xkqxkqxkqxkq", "kz8wkz8wkz8wkz8w"},
	} {
		for _, password := range passwords {
			if Acceptable(password, "Annalena Example") == nil {
				t.Errorf("%s: %q is taken", name, password)
			}
		}
	}
	for _, password := range []string{
		"correct horse battery", "gardener lantern river", "пароль который длинный", "Tr4wlers-of-Kiel", "8302917465028", "sommerregen am deich", "vXq9!mzkT2wp",
	} {
		if err := Acceptable(password, "Annalena Example"); err != nil {
			t.Errorf("%q: %v", password, err)
		}
	}
}

// Every common password that is long enough is refused.
func TestEachStolenPasswordIsRefused(t *testing.T) {
	t.Parallel()
	words := stolenWords()
	if len(words) < 10_000 {
		t.Errorf("there are %d", len(words))
	}
	for word := range words {
		if Acceptable(word, "") == nil {
			t.Errorf("%q is taken", word)
		}
	}
}
