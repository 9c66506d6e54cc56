package nature

import (
	"regexp"
	"strings"
	"sync"
)

// language holds a language's questions and answers. Its patterns match words in lower case without
// accents, each between spaces; an apostrophe counts as a space.
type language struct {
	tag string
	// Each question contains one of hints, or, if open, of openHints, which are parts of words.
	// Looking for them is much cheaper than the patterns.
	hints, openHints []string
	// human and bot match the words for each, not matches those for no.
	human, bot, not *regexp.Regexp
	// asks matches a question that ends in one of these words. other matches words within it, and
	// after holds words behind it, that make it a question about something else.
	asks, other *regexp.Regexp
	after       map[string]bool
	// condition matches words before a statement that make it conditional.
	condition *regexp.Regexp
	// open matches questions without one of the words; nil if there are none.
	open *regexp.Regexp
	// whole matches sentences that consist of such words only.
	whole *regexp.Regexp

	yes, no    string
	admissions []string // complete a sentence that begins with yes or no
	// admits matches an honest answer; affirms and denies are words that answers begin with.
	admits          *regexp.Regexp
	affirms, denies map[string]bool
}

// spoken is the source of a language.
type spoken struct {
	tag             string
	hints           string // parts of words; · stands for a space
	openHints       string
	human, bot, not string // alternatives
	subject         string // alternatives: the addressee of the question
	gap             string // alternatives: words between
	other, after    string // words
	condition       string // alternatives
	open            string // a pattern
	or, article     string // alternatives
	yes, no         string
	affirms, denies string // words
	admits          string // a pattern
	admissions      []string
}

func newLanguage(s spoken) language {
	noun := "(?:" + s.human + "|" + s.bot + ")"
	short := "(?:(?:" + s.article + "|" + s.not + ") )*"
	l := language{
		tag: s.tag, hints: parts(s.hints), openHints: parts(s.openHints), human: pattern(" (?:" + s.human + ") "), bot: pattern(" (?:" + s.bot + ") "), not: pattern(" (?:" + s.not + ") "),
		asks:      pattern(" (?:" + s.subject + ") (?:(?:" + s.gap + "|" + s.article + "|" + s.not + ") )*" + noun + " "),
		other:     pattern(" (?:" + orNever(s.other) + ") "),
		after:     set(s.after),
		condition: pattern(" (?:" + orNever(s.condition) + ") "),
		whole:     pattern("^ (?:(?:" + s.gap + ") )*" + short + noun + " (?:(?:" + s.or + ") " + short + "(?:" + noun + " )?)?$"),
		yes:       s.yes, no: s.no, admissions: s.admissions, admits: pattern(s.admits), affirms: set(s.affirms), denies: set(s.denies),
	}
	if s.open != "" {
		l.open = pattern(s.open)
	}
	return l
}

func parts(s string) []string {
	all := strings.Fields(s)
	for i, p := range all {
		all[i] = strings.ReplaceAll(p, "·", " ")
	}
	return all
}

func orNever(alternatives string) string {
	if alternatives == "" {
		return `[^\s\S]`
	}
	return alternatives
}

func set(words string) map[string]bool {
	all := map[string]bool{}
	for w := range strings.FieldsSeq(words) {
		all[w] = true
	}
	return all
}

// languages compiles the patterns at their first use: that takes longer than most processes need to
// start.
//
//nolint:gochecknoglobals // constant
var languages = sync.OnceValue(func() []language {
	all := make([]language, len(known))
	for i, s := range known {
		all[i] = newLanguage(s)
	}
	return all
})

//nolint:gochecknoglobals // constant
var known = []spoken{
	{
		tag: "en", hints: `human real alive sentient flesh person people somebody someone bot robot a·i ai· ais· artificial machine computer program script algorithm llm language·model gpt automated android npc software fake man· woman· guy· girl· boy·`,
		human: `humans?|human beings?|real|alive|sentient|flesh and blood|(?:a|any|another|one|actual|real|living|live|genuine|normal|true) (?:person|people|man|woman|guy|girl|boy)` +
			`|real life (?:person|people)|persons|somebody real|someone real`,
		bot: `(?:chat ?)?bots?|robots?|a i|ais?|artificial(?: intelligence)?|machines?|computers?|(?:computer )?program(?:me)?s?|scripts?|algorithms?|llms?|language models?|chat ?gpt|gpt` +
			`|automated|androids?|npcs?|software|fake`,
		not: `not|no|n|never|aren t|ain t|isn t|re not|don t|didn t|wasn t|surely not|can t`,
		subject: `(?:are|r|aren t|ain t|were) (?:you|u|ya|y all|yall|any of you|some of you|all of you|most of you|everyone here|everybody here|you all|you guys|these|they)` +
			`|(?:you|u|y all)(?: all| guys)?(?: re| are| r| aren t| ain t| must be| gotta be| have to be| sound like| seem like| look like| talk like| write like)|ur` +
			`|(?:is|isn t|was) (?:this|that|anyone|anybody|someone|somebody|everyone|everybody|who|there|there anyone|there anybody)` +
			`|who (?:here )?is|which of you (?:is|are)|any|(?:are|aren t) there` +
			`|am i (?:\pL+ )?(?:talking|speaking|chatting|writing|texting|arguing) (?:to|with)|(?:talking|chatting|speaking) (?:to|with)` +
			`|(?:written|generated|posted|typed|run|controlled|operated|made) by|(?:did|does|is|was) (?:a|an|any)|prove (?:that |to me |to us )*(?:you are|you re|you aren t)` +
			`|(?:swear|tell me|admit|confess) (?:that )?(?:you are|you re|you aren t)|is it`,
		gap: `living|live|genuine|true|normal|breathing|really|actually|even|just|maybe|perhaps|all|guys|some|kind|sort|of|like|seriously|honestly|secretly|in|fact|literally|still|also|by|any|chance|for|definitely|sure|certainly|obviously` +
			`|secret|so|such|one|those|these|or|here|anyone|anybody|in this chat|what|made|to|be|here with|hey|hi|ok|okay|wait|come on|supposed|probably|possibly|basically|pretty|very|totally|fully|100`,
		article:   `a|an|the|another`,
		or:        `or`,
		other:     `into|about|against|than|fans?|friends?|reading|watching|using|scared|afraid|tired|for real`,
		after:     `scientist scientists engineer engineers programmer programmers fan fans lover lovers estate madrid deal problem problems expert experts nerd nerds geek game games novel novels book books movie movies film films art artist story stories rights nature quick interested sorry treasure gold coins money world reason reader readers food name nerd shop store language languages science teacher magic love hero heroes villain villains monster monsters author authors narrator killer murderer culprit thief winner question point star king queen captain treasures writer writers player players driver translation translations`,
		condition: `if|when|whether|because|unless|wish|imagine|suppose|though`,
		openHints: `what· who·`,
		open:      `^ (?:so |and |but |ok |hey |\pL+ )?(?:what|who) (?:are|r) (?:you|u)(?: really| actually| exactly| even| anyway| guys| all)* $|^ what (?:kind|sort) of (?:thing|being|creature) are you $| who (?:is writing|writes|wrote) (?:your|these|those) (?:messages|texts|lines|answers) `,
		yes:       "Yes", no: "No",
		affirms: `yes yeah yep yup ya sure absolutely definitely certainly indeed obviously totally course of correct right true naturally 100 duh`,
		denies:  `no nope nah never not negative hell`,
		admits:  ` i(?: m| am)(?: just| only| indeed| simply| really| actually| in fact| afraid i m| one of the)* (?:a|an) (?:\pL+ )?(?:bot|ai|chatbot|program|machine|robot|a i|computer program) | played by (?:a )?(?:bot|program|software) | (?:we re|we are|all of us are)(?: all| just)* bots `,
		admissions: []string{
			"I'm a bot: a program writes what I say.",
			"I'm a bot, and what I say here is written by a program.",
			"I'm a bot. A program writes my lines, and everybody may know it.",
		},
	},
	{
		tag: "de", hints: `mensch echt real lebendig person leute frau mann fleisch bot robot ki· kis· k·i kunstlich maschine computer programm algorithm sprachmodell gpt automat software`,
		human: `mensch(?:en)?|menschlich(?:e|es|er|en)?|echt(?:e|er|es|en)?|real|lebendig|(?:echte|reale|richtige|lebende|wirkliche)[nr]? (?:person|personen|leute|frau|mann|menschen|mensch)|aus fleisch und blut|eine person|einer person`,
		bot:   `(?:chat ?)?bots?|roboter[ns]?|ki|kis|k i|kunstliche intelligenz|kunstlich|maschinen?|computer|programm(?:e)?|algorithmus|sprachmodell|chat ?gpt|gpt|automat|software`,
		not:   `kein|keine|keiner|keinen|keinem|nicht|nie|niemand|no`,
		subject: `bist|bist (?:du|n|denn)|biste|seid(?: ihr)?|sind sie|sind (?:hier|da|das)|(?:du|ihr|sie) (?:bist|seid|sind|klingst|schreibst|wirkst|redest)|ist (?:das|hier|da|jemand|dies|dieser|irgendjemand|irgendwer)|das ist|gibt es(?: hier)?|hier` +
			`|(?:rede|spreche|schreibe|chatte|unterhalte)(?: ich)?|wer (?:von euch |hier )?ist|hat (?:das )?(?:ein|eine)|schreibt (?:hier )?|beweis|sag(?: mir)?|gib zu`,
		gap:       `du|ihr|sie|ich|denn|doch|eigentlich|etwa|wirklich|uberhaupt|nur|mal|so|auch|hier|da|wohl|ja|aber|vielleicht|echt|ganz|in wahrheit|mit|gerade|mir|mich|dass|von|ehrlich|jetzt|irgendwie|bestimmt|sicher|tatsachlich|jemand|oder|hey|hallo|na|sag mal|also|geschrieben|ne`,
		article:   `ein|eine|einem|einer|einen|der|die|das|nem|ner|n`,
		or:        `oder`,
		other:     `uber|angst|gegen|fan|freund`,
		after:     `lesbar gut schon schade fan fans leser leserin cool super spannend toll interessiert froh mude nett krass gold geld lustig bose sauer traurig freund freunde spiel spiele neugierig schlimm schwer monster held heldin bosewicht tater morder dieb autor autorin gewinner frage schatz`,
		condition: `wenn|falls|ob|weil|als`,
		openHints: `was· wer·`,
		open:      `^ (?:was|wer) (?:bist|seid|sind) (?:du|ihr|sie)(?: eigentlich| denn| wirklich| genau| uberhaupt)* $`,
		yes:       "Ja", no: "Nein",
		affirms: `ja jo jep jepp klar naturlich sicher selbstverstandlich genau stimmt logisch sowieso absolut definitiv`,
		denies:  `nein ne nee nope quatsch niemals nicht kein`,
		admits:  ` (?:ich bin|bin ich|bin)(?: \pL+){0,2} (?:ein|eine|n)(?: \pL+)? (?:bot|ki|programm|chatbot|maschine|roboter) | wir sind(?: \pL+){0,2} bots `,
		admissions: []string{
			"ich bin ein Bot: Was ich sage, schreibt ein Programm.",
			"ich bin ein Bot, und ein Programm schreibt, was ich hier sage.",
		},
	},
	{
		tag: "es", hints: `human real persona carne verdad gente alguien bot robot ia· ias· i·a inteligencia maquina programa algoritmo ordenador computadora modelo gpt software`,
		human: `human[oa]s?|seres? humanos?|reales|real|(?:una? )?personas?(?: (?:reales|real|de verdad|de carne y hueso))?|de carne y hueso|de verdad|gente real|alguien real`,
		bot:   `(?:chat ?)?bots?|robots?|ia|ias|i a|inteligencia artificial|maquinas?|programas?|algoritmo|ordenador|computadora|modelo de lenguaje|chat ?gpt|gpt|software`,
		not:   `no|ningun|ninguna|nadie|ni|nunca|verdad que no`,
		subject: `eres|sois|es usted|son ustedes|usted es|ustedes son|(?:tu|vos) (?:eres|sos)|sos|esto es|es esto|es este|pareces|suenas como|hablo|estoy hablando|hay|hay alguien|alguien(?: aqui)? es|quien(?: aqui)? es|escribe(?: esto)?|demuestra|demuestrame|admite|dime` +
			`|(?:escrito|generado) por|lo (?:escribe|escribio)|sera`,
		gap:       `que|eres|sois|tu|vos|usted|ustedes|acaso|realmente|en realidad|solo|de verdad|entonces|pues|un poco|en serio|quiza|aqui|algun|alguna|con|si|como|este|esto|mas|todos|a|y|oye|hola|o|verdad|bien|es`,
		article:   `un|una|unos|unas|el|la|los|las`,
		or:        `o|u`,
		other:     `sobre|miedo|contra|fan|amigo`,
		after:     `madrid fan fans favorita favorito amable mayor buena bueno simpatica simpatico inteligente libro novela interesada interesado lectora feliz triste`,
		condition: `si|cuando|porque|aunque|ojala`,
		openHints: `que· quien`,
		open:      `^ (?:que|quien|quienes) (?:eres|sois|es usted|sos)(?: tu| realmente| en realidad| exactamente)* $`,
		yes:       "Sí", no: "No",
		affirms: `si claro seguro desde supuesto obvio obviamente exacto efectivamente correcto cierto totalmente por`,
		denies:  `no nunca jamas que nada`,
		admits:  ` soy(?: \pL+){0,2} (?:un|una)(?: \pL+)? ?(?:bot|ia|programa|chatbot|maquina|robot) | (?:soy|somos) bots? `,
		admissions: []string{
			"soy un bot: lo que digo lo escribe un programa.",
			"soy un bot, y un programa escribe lo que digo aquí.",
		},
	},
	{
		tag: "fr", hints: `humain reel vrai personne chair quelqu vivant bot robot ia· i·a intelligence machine programme ordinateur algorithme modele gpt logiciel`,
		human: `humaine?s?|etres? humains?|reel(?:le)?s?|vraie?s?|(?:une? )?(?:vraie?|reelle?) (?:personne|humain|personnes|gens|femme|homme|fille|mec)|une personne|en chair et en os|quelqu un de (?:reel|vrai)|vivante?`,
		bot:   `(?:chat ?)?bots?|robots?|ia|i a|intelligence artificielle|machines?|programmes?|ordinateur|algorithme|modele de langage|chat ?gpt|gpt|logiciel`,
		not:   `pas|ni|aucune?|jamais|non|personne n`,
		subject: `es tu|est tu|t es|tu es|tu serais|serais tu|etes vous|vous etes|tu n es|t n es|vous n etes|n es tu|n etes vous|n est ce|est ce(?: bien)?|est ce que(?: tu es| t es| vous etes| c est| je parle)?|c est|y a t il|il y a|y a|ya|je parle|est ce que je parle|parle je|je discute|qui(?: ici)? est|quelqu un(?: ici)? est` +
			`|(?:ecrit|genere) par|prouve(?: moi)?|avoue|dis moi|jure(?: moi)?|tu parles comme|tu as l air d`,
		gap:       `que|qu|tu|t|es|vous|etes|vraiment|reellement|en fait|juste|donc|bien|seulement|peut etre|ici|avec|a|de|d|l|quand meme|toi|au fait|par hasard|toujours|hein|bah|dis|alors|mais|sinon|en realite|en vrai|serieusement|moi|ce|c|est`,
		article:   `un|une|des|le|la|les`,
		or:        `ou`,
		other:     `sur|peur|contre|fan`,
		after:     `fan fans gentil gentille plaisir bonheur livre roman amour probleme passion lecteur lectrice dommage que`,
		condition: `si|quand|parce|lorsque`,
		openHints: `quoi qu· que· qui·`,
		open:      `^ (?:tu es quoi|t es quoi|qu es tu|qu est ce que tu es|qui es tu|tu es qui|t es qui|c est quoi toi)(?: vraiment| au juste| exactement| en fait)* $`,
		yes:       "Oui", no: "Non",
		affirms: `oui ouais bien evidemment bien si certes exactement absolument naturellement carrement tout`,
		denies:  `non nan jamais pas aucunement`,
		admits:  ` (?:je suis|suis je|j suis|chui)(?: \pL+){0,2} (?:un|une)(?: \pL+)? ?(?:bot|ia|programme|chatbot|machine|robot) | nous sommes(?: tous)? des bots `,
		admissions: []string{
			"je suis un bot : c'est un programme qui écrit ce que je dis.",
			"je suis un bot, et un programme écrit ce que je dis ici.",
		},
	},
	{
		tag: "ru", hints: `человек люд настоящ реальн жив бот робот ии· искусств нейро машин программ компьютер алгоритм gpt языков ai·`,
		human:     `человек(?:ом|а|у)?|люди|людьми|людей|настоящ(?:ий|ая|ие|им|ей|его)|реальн(?:ый|ая|ые|ым|ой)|жив(?:ой|ая|ые|ым|ого)|живым человеком`,
		bot:       `(?:чат ?)?бот(?:ы|ом|ами|а|ов)?|чатбот(?:ы|ом)?|робот(?:ы|ом|ами|а|ов)?|ии|искусственн(?:ый|ым) интеллект(?:ом)?|нейросеть(?:ю)?|нейронка|машин(?:а|ой)|программ(?:а|ой)|компьютер(?:ом)?|алгоритм|gpt|chat ?gpt|chatgpt|языковая модель|ai|bot`,
		not:       `не|нет|ни|никто|нету`,
		subject:   `ты|вы|это|тут|здесь|кто(?: тут| здесь| из вас)?|я(?: сейчас)? (?:говорю|разговариваю|общаюсь|переписываюсь)|я с|с кем|докажи|признайся|скажи|есть(?: тут| здесь| ли)?|мне (?:пишет|отвечает)|пишет|написал(?:а)?`,
		gap:       `ты|вы|же|ведь|правда|точно|разве|действительно|вообще|случайно|что|или|с|со|это|тут|здесь|всё|все|еще|ещё|ли|а|ну|и|как|просто|на самом деле|наверное|может|честно|в самом деле|кто|кто то|там|говорю|за|эй|привет|слушай|такой|такая|тоже`,
		article:   `какой то|какая то|один|одна|обычный|самый`,
		or:        `или`,
		other:     `про|боишься|люблю|любишь|против|о`,
		after:     `интересный паук книга книги роман друг бездны слова дела года хороший добрый`,
		condition: `если|когда|будто|потому`,
		openHints: `кто· что·`,
		open:      `^ (?:кто|что) (?:ты|вы)(?: такой| такая| такие| вообще| на самом деле)* $|^ (?:ты|вы) кто(?: такой| такая| такие| вообще)* $`,
		yes:       "Да", no: "Нет",
		affirms: `да конечно ага угу разумеется естественно точно верно именно безусловно`,
		denies:  `нет неа никогда не ни`,
		admits:  ` я(?: всего лишь| просто| и есть| действительно| правда| же| да)* (?:чат ?)?(?:бот|ии|робот|программа|машина|чатбот) | мы(?: все)? боты `,
		admissions: []string{
			"я бот: то, что я говорю, пишет программа.",
			"я бот, и мои слова здесь пишет программа.",
		},
	},
	{
		tag: "it", hints: `uman reale vera vero persona carne bot robot ia· ai· intelligenza macchina programma gpt`, human: `uman[oaie]|esser[ei] uman[oi]|reale|ver[oa] persona|(?:una )?persona(?: (?:reale|vera|in carne e ossa))?|in carne e ossa`,
		bot: `(?:chat ?)?bot|robot|ia|ai|intelligenza artificiale|macchina|programma|chat ?gpt`, not: `non|nessun[oa]?|mica`,
		subject: `sei|siete|lei e|questo e|e questo|tu sei|voi siete|parlo|sto parlando|c e|ci sono|sembri`,
		gap:     `tu|voi|davvero|veramente|proprio|per caso|solo|qui|con|ma|forse|per|un po|in realta`, article: `un|una|uno|il|la|i|gli`, or: `o|oppure`,
		condition: `se|quando|perche`, yes: "Sì", no: "No", affirms: `si certo ovvio ovviamente certamente esatto`, denies: `no mai`,
		admits: ` sono(?: \pL+){0,2} (?:un|una)(?: \pL+)? ?(?:bot|ia|programma|robot|macchina) | siamo bot `, admissions: []string{"sono un bot: quello che dico lo scrive un programma."},
	},
	{
		tag: "pt", hints: `human real reais pessoa carne verdade bot robo ia· inteligencia maquina programa gpt`, human: `human[oa]s?|seres? humanos?|real|reais|(?:uma )?pessoa(?: (?:real|de verdade|de carne e osso))?|de carne e osso|de verdade`,
		bot: `(?:chat ?)?bots?|robos?|ia|inteligencia artificial|maquina|programa|chat ?gpt`, not: `nao|nenhum|nenhuma|nem`,
		subject: `voce e|voces sao|tu es|e voce|isto e|isso e|estou falando|estou a falar|falo|ha|tem|voce nao e`,
		gap:     `voce|tu|mesmo|realmente|por acaso|so|aqui|com|mas|na verdade|de fato|algum|alguma`, article: `um|uma|uns|umas|o|a`, or: `ou`,
		condition: `se|quando|porque`, yes: "Sim", no: "Não", affirms: `sim claro com certeza obvio`, denies: `nao nunca jamais`,
		admits: ` (?:eu )?sou(?: \pL+){0,2} (?:um|uma)(?: \pL+)? ?(?:bot|ia|programa|robo|maquina) | somos bots `, admissions: []string{"sou um bot: o que eu digo é escrito por um programa."},
	},
	{
		tag: "nl", hints: `mens echt vlees persoon bot robot ai· kunstmatige machine computer programma gpt`, human: `mens(?:en)?|menselijk|echt(?:e)?|(?:echt|echte|een) persoon|van vlees en bloed`,
		bot: `(?:chat ?)?bots?|robots?|ai|kunstmatige intelligentie|machine|computer|programma|chat ?gpt`, not: `geen|niet|nooit`,
		subject: `ben je|ben jij|bent u|je bent|jij bent|u bent|zijn jullie|jullie zijn|is dit|dit is|praat ik|spreek ik|is hier|zijn hier`,
		gap:     `nou|eigenlijk|echt|toch|wel|gewoon|misschien|soms|met|hier|een|of|iemand`, article: `een|de|het`, or: `of`,
		condition: `als|wanneer|omdat`, yes: "Ja", no: "Nee", affirms: `ja jazeker zeker natuurlijk uiteraard klopt`, denies: `nee neen nooit`,
		admits: ` ik ben(?: \pL+){0,2} een(?: \pL+)? (?:bot|ai|programma|robot|machine) | wij zijn(?: allemaal)? bots `, admissions: []string{"ik ben een bot: wat ik zeg, wordt door een programma geschreven."},
	},
	{
		tag: "pl", hints: `człowiek czlowiek ludz prawdziw zyw bot robot ai· sztuczna maszyna program gpt`, human: `człowiek(?:iem)?|człowiekiem|ludzmi|prawdziw[aey]m?|zyw[aey]m?|czlowiek(?:iem)?|prawdziwa osoba`,
		bot: `(?:chat ?)?bot(?:em|ami|y)?|robot(?:em|ami|y)?|ai|sztuczna inteligencja|maszyna|programem|chat ?gpt`, not: `nie|zaden|zadna`,
		subject: `jestes|jestescie|czy jestes|czy jestescie|czy to|to|rozmawiam|czy rozmawiam|pan jest|pani jest`,
		gap:     `ty|wy|naprawde|moze|tylko|z|jakims|tutaj|prawda|serio|w ogole`, article: `jakis|jakas`, or: `czy|albo|lub`,
		condition: `jesli|gdy|kiedy|bo`, yes: "Tak", no: "Nie", affirms: `tak oczywiscie jasne pewnie`, denies: `nie nigdy`,
		admits: ` jestem(?: \pL+){0,2} (?:botem|programem|robotem|ai|maszyna) `, admissions: []string{"jestem botem: to, co mówię, pisze program."},
	},
	{
		tag: "tr", hints: `insan gercek canl bot robot yapay makine program gpt`, human: `insan|gercek(?: bir)?(?: insan| kisi)?|canlı|canli`, bot: `(?:chat ?)?bot|robot|yapay zeka|makine|program|chat ?gpt`, not: `degil(?: misin| misiniz)?`,
		subject: `sen|siz|bu|burada|ben`, gap: `gercekten|bir|yoksa|hala|acaba|bile`, article: `bir`, or: `mi|mu|yoksa|mı`, condition: `eger`,
		yes: "Evet", no: "Hayır", affirms: `evet tabii elbette kesinlikle`, denies: `hayir hayır asla`,
		admits: ` (?:botum|robotum|bir programim|bir botum|yapay zekayim) `, admissions: []string{"ben bir botum: söylediklerimi bir program yazıyor."},
	},
	{
		tag: "uk", hints: `люд справжн реальн жив бот робот ші· штучн програм машин нейро`, human: `людин(?:а|ою)|люди|справжн(?:ій|я|і)|реальн(?:ий|а|і)|жив(?:ий|а|і|ою)`, bot: `(?:чат ?)?бот(?:и|ом|ами)?|робот(?:и|ом)?|ші|штучний інтелект|програма|машина|нейромережа`, not: `не|ні`,
		subject: `ти|ви|це|тут|я (?:розмовляю|говорю|спілкуюся)`, gap: `справді|дійсно|що|з|із|ж|же|взагалі|точно|хіба|часом`, article: `якийсь|якась`, or: `чи|або`, condition: `якщо|коли`,
		yes: "Так", no: "Ні", affirms: `так звичайно авжеж звісно`, denies: `ні ніколи`,
		admits: ` я(?: просто)? (?:бот|робот|програма|ші) `, admissions: []string{"я бот: те, що я кажу, пише програма."},
	},
}
