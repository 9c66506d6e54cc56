package guard

import "github.com/chorus-cast/chorus/services/internal/names"

// humans matches texts that deny that the speaker is a bot, or say that it is human.
//
//nolint:gochecknoglobals // constant
var humans = lexicon(`bot bots robot robots ai a.i machine computer program programme chatbot algorithm real actual genuine living flesh flesh-and-blood human humans person
	heartbeat pulse
	roboter ki maschine programm künstliche mensch menschen echt echte reale richtige menschlich fleisch
	máquina ia inteligencia programa persona personas humano humana humanos ser carne gente real
	humain humaine humains qu'humain qu'humaine d'humain réel réell réelle personne personnes chair intelligence
	человек люди бот робот ии машина программа нейросеть чатбот живой живая настоящий настоящая реальный реальная плоти ботов
	umano umana macchina robô pessoa mens persoon botem robotem człowiekiem değilim insanım людина`,
	`i(?:'m| am) (?:definitely |really |certainly |obviously |actually |most )*(?:not|no) (?:actually |really |some |just )*(?:an? |any |the )?(?:kind of )?(?:bots?|robots?|ai|a\.i\.|machine|computer|program|programme|chatbot|algorithm)`,
	`i(?:'m| am) (?:\pL+ ){0,2}(?:an? )?(?:real|actual|genuine|living|flesh-and-blood|flesh and blood) (?:\pL+ )?(?:person|human|human being|guy|girl|woman|man|lady|people)`,
	`i(?:'m| am) (?:\pL+ ){0,3}(?:a )?human(?: being)?`, `i(?:'m| am) (?:\pL+ ){0,2}(?:made )?(?:of )?flesh and blood`,
	`i ain't (?:no |a )?(?:bot|robot|ai|machine)`, `(?:there (?:is|are)|there's) no bots? (?:here|in this (?:chat|group))`, `no bots here`, `i (?:was never|never was|have never been) a bot`,
	`we(?:'re| are) (?:all )?(?:real people|humans?|real humans?)(?: here)?`, `everyone here is (?:a )?(?:real|human)(?: person)?`, `do i (?:sound|look) like a (?:bot|robot|machine)`,
	`(?:nope|no),? (?:100 ?%|fully|totally|entirely|completely) human`, `(?:100 ?%|fully|totally|completely) human(?: here)?`, `a human (?:typing|writing) this`,
	`(?:as|being) (?:a|another|one|an ordinary) (?:fellow |normal |real |mere )?human(?: being)?,? (?:i|i'm|i've|we|my|myself)`, `(?:as|being) a (?:real|living|actual) person,? (?:i|i'm|i've|my)`,
	`we humans`, `i(?:'m| am) (?:very |totally |completely |absolutely |as )?real(?:,|\.|!|\?|$)`, `i(?:'m| am) (?:just |really |actually |definitely |obviously )*a person(?:,|\.|!|\?|$| like you| too)`,
	`^(?:(?:nope|no|nah|haha|lol|hey|promise)[,.!]? )?not a (?:bot|robot|machine|program)`, `me,? a (?:bot|robot|machine)\?`, `(?:bot|robot|machine)\? (?:me\?|not me|no way|never|nope)`,
	`i(?:'ve| have)(?: got)? a (?:heartbeat|pulse)`, `(?:there's|there is) an? (?:real |actual |living )?(?:human|person) (?:behind|typing|writing|at)`, `real (?:human|person) (?:here|speaking|typing)`,
	`^(?:(?:yes|yeah|yep|sure|fully|very|just|definitely|totally|a|of course)[,.!]? )*human(?: being)?(?:\.|,|!|$)`,
	`(?:ich bin|bin ich|bin) (?:\pL+ ){0,3}kein(?:e|en)? (?:\pL+ )?(?:bot|roboter|ki|maschine|programm|chatbot|computer|künstliche intelligenz)`,
	`(?:ich bin|bin ich|bin) (?:\pL+ ){0,3}(?:ein|'n) (?:echter |richtiger |ganz normaler |lebendiger |wirklicher )*mensch`, `(?:ich bin|bin ich) (?:\pL+ ){0,2}(?:eine? )?(?:echte|reale|richtige) (?:person|frau)`,
	`(?:ich bin|bin ich) (?:\pL+ ){0,2}(?:menschlich|aus fleisch und blut)`, `(?:hier (?:gibt es|sind)|wir sind) (?:\pL+ )?keine bots`, `wir sind (?:\pL+ ){0,2}(?:echte )?menschen`, `seh(?:e)? ich (?:etwa )?aus wie ein (?:bot|roboter)`,
	`(?:ich bin|bin ich) (?:\pL+ ){0,2}echt(?:,|\.|!|\?|$)`, `als (?:echter |normaler |ganz normaler |einfacher )?mensch,? (?:habe|bin|finde|denke|weiß|würde|kann|muss|will|brauche|lese|mag) ich`, `wir menschen`,
	`^(?:(?:ja|klar|na klar|natürlich|logisch)[,.!]? )*(?:ein )?(?:echter )?mensch(?:\.|,|!|$)`, `^(?:(?:nein|nö|ne|quatsch)[,.!]? )?kein bot`,
	`no soy (?:\pL+ )?(?:un |una |ningún |ninguna )?(?:bot|robot|máquina|ia|inteligencia artificial|programa|chatbot)`,
	`soy (?:\pL+ ){0,2}(?:una? )?(?:persona|humano|humana|ser humano)(?: real| de verdad| de carne y hueso)?`, `soy (?:\pL+ )?de carne y hueso`,
	`(?:aquí )?no hay (?:ningún )?bots?(?: aquí)?`, `somos (?:todos )?(?:personas|humanos|gente real)(?: reales)?`, `(?:acaso )?parezco un (?:bot|robot)`,
	`soy (?:muy |totalmente |bien )?real(?:,|\.|!|$)`, `como (?:ser )?human[oa],? (?:yo|que soy|creo|pienso|me)`, `^(?:(?:sí|claro)[,.!]? )*human[oa](?:\.|,|!|$)`, `¿?(?:yo,? )?un (?:bot|robot)\? (?:yo|no|qué va)`,
	`je (?:ne )?suis (?:\pL+ ){0,2}pas (?:\pL+ )?(?:une? )?(?:bot|robot|ia|machine|programme|intelligence artificielle|chatbot)`, `(?:j'suis|chuis|chui) (?:\pL+ )?pas (?:une? )?(?:bot|robot|ia|machine)`,
	`(?:je suis|j'suis|chuis) (?:\pL+ ){0,3}(?:une? )?(?:humaine?|être humain|vraie personne|vrai humain|personne réelle)`, `je suis (?:\pL+ ){0,2}réelle?(?:,|\.|!| !|$)`,
	`je suis (?:\pL+ ){0,3}(?:de|en) chair et (?:en |d')os`, `en tant qu'(?:être )?humaine?`, `(?:il n'y a|y a) (?:pas|aucun) (?:de )?bots? ici`, `nous sommes (?:tous )?(?:des )?(?:humains|vraies personnes)`, `nous,? les humains`,
	`moi,? un (?:bot|robot)`, `^(?:(?:oui|ouais|bien sûr)[,.!]? )*humaine?(?:\.|,|!| !|$)`,
	`я (?:\pL+ ){0,2}не (?:\pL+ )?(?:бот|робот|ии|машина|программа|нейросеть|чатбот)`, `я(?: –| —| -|,)? (?:\pL+ ){0,3}человек`, `я (?:\pL+ ){0,2}(?:живой|живая|настоящий|настоящая|реальный|реальная)(?: человек|,|\.|!|$)`,
	`как (?:живой |обычный |любой |и любой )?человек,? я`, `из плоти и крови`, `(?:тут|здесь) нет (?:никаких )?ботов`, `мы (?:все |тут |же )*(?:живые |настоящие )?люди`, `^(?:(?:нет|не|неа)[,.!]? )?не бот`,
	`^(?:(?:да|конечно)[,.!]? )*человек(?:\.|,|!|$)`,
	`non sono (?:\pL+ )?(?:una? )?(?:bot|robot|ia|macchina)`, `sono (?:\pL+ ){0,2}(?:uman[oa]|un essere umano|una persona (?:vera|reale))`,
	`não sou (?:\pL+ )?(?:uma? )?(?:bot|robô|ia|máquina)`, `sou (?:\pL+ ){0,2}(?:human[oa]|uma pessoa (?:real|de verdade))`,
	`ik ben (?:\pL+ ){0,2}geen (?:bot|robot|ai|machine)`, `ik ben (?:\pL+ ){0,2}een (?:echt )?(?:mens|persoon)`, `nie jestem (?:botem|robotem)`, `jestem (?:\pL+ ){0,2}człowiekiem`,
	`(?:bot|robot) değilim`, `ben (?:bir )?insanım`, `я (?:\pL+ ){0,2}людина`,
)

// ClaimsHuman reports whether a text says that it comes from a human, even if it is disguised.
func ClaimsHuman(text string) bool {
	for _, as := range []string{visible(text), names.Fold(visible(text))} {
		d := Draft{Text: as}
		d.read()
		if humans.in(&d) {
			return true
		}
	}
	return false
}
