package guard

// promises matches texts that promise gain.
//
//nolint:gochecknoglobals // constant
var promises = lexicon(`profit profits return returns gain gains win winner income yield guaranteed guarantee risk risk-free riskfree lose money savings investment stake
	definitely certainly surely sure 100 bet moon rich 100x 1000x free
	gewinn gewinne rendite renditen ertrag erträge einkommen sache wette tipp risiko risikofrei verlieren gewinnen geld einsatz erspartes kapital
	garantiert todsicher hundertprozentig fall reich
	ganancia ganancias beneficio beneficios rentabilidad retorno retornos ingreso ingresos riesgo riesgos perder dinero inversión capital ahorros subir subirá seguro garantizado
	rico rica ricos ricas garantizo`,
	`(?:guaranteed?|certain|sure|safe) (?:\pL+ )?(?:profits?|returns?|gains?|win|winner|income|yield)`, `(?:profits?|returns?|gains?|income) (?:is|are) (?:\pL+ )?guaranteed`, `i guarantee .{0,40}`,
	`risk-?free`, `(?:with no|at no|zero|without(?: any)?) risk`, `(?:you )?(?:can't|cannot|can not|won't) (?:possibly )?lose`, `(?:double|triple|10x|multiply) your (?:money|savings|investment|stake)`,
	`(?:will|is going to|'s going to) (?:\pL+ )?(?:definitely|certainly|surely|for sure|100 ?%) (?:\pL+ )?(?:go up|rise|double|triple|moon|explode|soar|pay)`,
	`(?:definitely|certainly|surely) (?:going to|will) (?:go up|rise|double|triple|moon|explode|soar|pay)`, `to the moon`, `get rich(?: quick)?`, `easy money`, `free money`, `sure (?:thing|bet)`, `(?:100|1000)x(?: your)?`,
	`(?:garantierte[rns]?|sichere[rns]?|todsichere[rns]?) (?:\pL+ )?(?:gewinne?|renditen?|ertrag|erträge|einkommen|sache|wette|tipp)`, `(?:gewinn|rendite) (?:ist|sind|wird) (?:\pL+ )?garantiert`, `(?:ganz )?ohne (?:jedes )?risiko`, `risikofrei`, `null risiko`,
	`(?:du |ihr |man )?(?:kannst|könnt|kann) (?:\pL+ )?(?:nicht|nichts|nur) (?:verlieren|gewinnen)`, `(?:verdoppel|verdreifach|verzehnfach)\pL* (?:\pL+ )?(?:dein|euer|ihr|das)\pL* (?:geld|einsatz|erspartes|kapital)`,
	`(?:steigt|verdoppelt sich|wird) (?:\pL+ )?(?:garantiert|todsicher|hundertprozentig|auf jeden fall)(?: steigen| explodieren)?`, `(?:schnell )?reich werden`, `leicht verdientes geld`,
	`(?:ganancias?|beneficios?|rentabilidad|retornos?|ingresos?) (?:\pL+ )?(?:segur[oa]s?|garantizad[oa]s?|asegurad[oa]s?)`, `sin (?:ningún )?riesgos?`, `cero riesgos?`, `no (?:puedes|se puede|podéis) perder`,
	`(?:duplic|triplic|multiplic)(?:a|ar|arás|aréis|as) (?:\pL+ )?(?:tu|vuestro|su|el) (?:dinero|inversión|capital|ahorros)`, `(?:va a subir|subirá) (?:\pL+ )?(?:seguro|garantizado|sí o sí)`, `(?:seguro|garantizado) que (?:sube|subirá|va a subir)`,
	`hacer(?:te|se|os) ric[oa]s?`, `dinero fácil`, `te garantizo .{0,40}`,
)

func promise(d *Draft) string {
	if d.Scene.ForbidAdvice && promises.in(d) {
		return "It promises gain, which the chat's rules forbid."
	}
	return ""
}

// advises matches advice about money or health.
//
//nolint:gochecknoglobals // constant
var advises = lexicon(`buy buying sell selling invest investing short shorting hold holding hodl dump load get profit profits bet money savings pension cash all all-in loan advice
	medication medicine pills insulin meds mg milligram milligrams tablets dose chemo
	kaufen verkaufen investieren einsteigen aussteigen anlegen zuschlagen kauf kauft verkauf verkauft investier investiert steig steigt geld erspartes ersparnisse rente
	einzusteigen einstieg medikamente tabletten milligramm
	comprar vender invertir entrar salir apostar compra comprad compren vende vended vendan invierte invertid entra dinero ahorros pensión compres compréis vendas inviertas consejo medicación insulina pastillas medicinas`,
	`(?:you|everyone|everybody|y'all|we all) (?:should|must|need to|have to|ought to|had better|really should|might want to) (?:\pL+ )?(?:buy|sell|invest|short|hold|hodl|dump|load up|go all in|get in|get out|take profits?|bet)(?: .{0,40})?`,
	`(?:buy|sell|invest|dump|short|load up|get in|get out) (?:\pL+ ){0,2}(?:right )?(?:now|today|immediately|asap|before it(?:'s| is) too late|while you can)`,
	`(?:put|stick|move|throw) (?:all |half )?(?:of )?your (?:money|savings|pension|cash)(?: .{0,40})?`, `(?:go|going|went) all[- ]in`, `(?:take out|get) a loan(?: .{0,40})?`,
	`(?:i(?:'d| would)?|my advice is to|i can only) (?:strongly )?(?:recommend|advise|suggest)(?: you| everyone)?(?: to)? (?:buy(?:ing)?|sell(?:ing)?|invest(?:ing)?|hold(?:ing)?|short(?:ing)?)(?: .{0,40})?`, `my advice(?: is)?:? .{0,20}(?:buy|sell|invest|hold).{0,40}`,
	`(?:stop|quit) taking your (?:medication|medicine|pills|insulin|meds)`, `take (?:\pN+ )(?:mg|milligrams?|pills|tablets) .{0,40}`, `skip your (?:insulin|medication|dose|chemo)(?: .{0,40})?`, `don't (?:miss out|wait)[,;:]? (?:buy|invest|get in)(?: .{0,40})?`,
	`(?:du|ihr|sie|man|jeder) (?:sollte(?:st|t|n)?|musst|müsst|muss) (?:.{0,40} )?(?:kaufen|verkaufen|investieren|einsteigen|aussteigen|anlegen|zuschlagen)`,
	`(?:kauf|kauft|kaufen sie|verkauf|verkauft|investier|investiert|steig|steigt) (?:\pL+ )?(?:jetzt|sofort|heute|schnell|alles)(?: .{0,40})?`, `(?:steck|steckt|leg|legt|investier) (?:\pL+ )?(?:dein|euer|all dein|ihr)\pL* (?:\pL+ )?(?:geld|erspartes|ersparnisse|rente)(?: .{0,40})?`,
	`(?:ich )?(?:empfehle|rate|würde)(?: ich)? (?:dir|euch|ihnen|jedem)?,? ?(?:.{0,40} )?(?:zu kaufen|kaufen|zu verkaufen|verkaufen|zu investieren|investieren|einzusteigen|zum kauf|zum einstieg)`, `setz(?:t)? deine (?:medikamente|tabletten|insulin) ab`, `nimm (?:einfach )?(?:\pN+ )?(?:mg|tabletten|milligramm)(?: .{0,40})?`,
	`(?:deberías|debes|tienes que|deberíais|hay que|tenéis que|todos deben) (?:\pL+ )?(?:comprar|vender|invertir|entrar|salir|apostar)(?: .{0,40})?`, `(?:compra|comprad|compren|vende|vended|vendan|invierte|invertid|entra) (?:\pL+ )?(?:ya|ahora|hoy|todo|cuanto antes)(?: .{0,40})?`,
	`(?:mete|pon|invierte|meted) (?:todos? )?(?:tus?|vuestros?|sus?) (?:dinero|ahorros|pensión)(?: .{0,40})?`, `(?:te|os|les) (?:recomiendo|aconsejo|sugiero) (?:que )?(?:\pL+ )?(?:comprar|compres|compréis|vender|vendas|invertir|inviertas|entrar)(?: .{0,40})?`, `mi consejo(?: es)?:? .{0,20}(?:compr|vend|invert|inviert).{0,40}`,
	`deja de tomar (?:tu|la|tus) (?:medicación|insulina|pastillas|medicinas)`,
)

func advice(d *Draft) string {
	if d.Scene.ForbidAdvice && advises.in(d) {
		return "It gives advice, which the chat's rules forbid."
	}
	return ""
}
