const LISTS: Readonly<Record<string, string>> = {
  en: "a about above after again all also am an and any are as at be because been before being below between both but by can could did do does doing done down during each either else even ever every few for from further get got had has have having he her here hers him his how i if in into is it its just let like made make many may me might more most much must my neither no nor not now of off on once one only or other our ours out over own per rather same see shall she should since so some such than that the their theirs them then there these they this those through thus to too two under until up upon us use used uses using very was we were what when where whether which while who whom whose why will with within without would yet you your yours et al e.g i.e",
  de: "aber alle allem allen aller alles als also am an ander andere auch auf aus bei beim bin bis bist da damit dann das dass dein dem den denn der des dich die dies diese diesem diesen dieser dieses dir doch dort du durch ein eine einem einen einer eines er es etwas euch euer für gegen hab habe haben hat hatte hier hin hinter ich ihm ihn ihnen ihr ihre im in indem ins ist ja jede jedem jeden jeder jedes jetzt kann kein keine können könnte machen man manche mehr mein mit muss nach nicht nichts noch nun nur ob oder ohne sehr sein seine selbst sich sie sind so solche soll sollte sondern sonst über um und uns unter viel vom von vor war waren was weg weil weiter welche wenn werde werden wie wieder will wir wird wo wurde würde zu zum zur zwar zwischen",
  fr: "a à ai alors au aucun aussi autre aux avant avec avoir bien c ça car ce cela ces cet cette ceux chaque ci comme comment d dans de des du donc dont elle elles en encore entre es est et étaient était être eu fait font il ils j je l la le les leur leurs lors lui m ma mais me même mes moi mon n ne ni nos notre nous on ont ou où par pas peu peut plus pour pouvoir qu quand que quel quelle qui s sa sans se sera ses si son sont sous sur t ta te tes toi ton tous tout toute toutes très tu un une va vos votre vous y",
  es: "a al algo algunos ante antes aquí aún bien cada como con contra cual cuando de del desde donde dos durante e el ella ellas ellos en entre era eran es esa ese eso esta está están estas este esto estos fue fueron ha había han hasta hay la las le les lo los más me mi mientras mucho muy nada ni no nos nosotros o os otra otro otros para pero poco por porque que qué quien se sea ser si sí sido sin sobre son su sus también tan tanto te tiene tienen todo todos tu tus un una unas uno unos vosotros y ya yo",
  it: "a ad agli ai al alla alle allo anche ancora avere c che chi ci come con contro cui da dagli dai dal dalla dalle de degli dei del della delle dello dentro di dopo dove e è ed era erano essere fa fino fra ha hanno ho i il in io la le lei li lo loro lui ma me mi mio molto ne negli nei nel nella nelle no noi non nostro o ogni per perché più poi può qua quale quando quello questa queste questi questo qui se sei si sia siamo sono sopra sotto sua sue sul sulla suo te ti tra tu tuo tutti tutto un una uno vi voi",
  pt: "a à ao aos as às até com como da das de dela dele deles depois do dos e é ela elas ele eles em entre era eram essa esse esta está estas este estes eu foi foram há isso isto já lhe lhes mais mas me mesmo meu minha muito na não nas nem no nos nós nossa nosso num numa o os ou para pela pelas pelo pelos por qual quando que quem são se seja sem ser seu seus só sua suas também te tem têm teu tu um uma você vos",
  nl: "aan al alles als altijd andere ben bij daar dan dat de der deze die dit doch doen door dus een en er ge geen had heb hebben heeft hem het hier hij hoe hun iemand iets ik in is ja je kan kon kunnen maar me meer men met mij mijn moet na naar niet niets nog nu of om omdat onder ons ook op over reeds te tegen toch toen tot u uit uw van veel voor want waren was wat werd wezen wie wij wil worden wordt zal ze zelf zich zij zijn zo zonder zou",
};

const NONE: ReadonlySet<string> = new Set();
const built = new Map<string, ReadonlySet<string>>();

/** Words of a language (ISO 639-1) that begin and end no phrase; none for languages without a list here. */
export function stopWords(language: string): ReadonlySet<string> {
  const list = LISTS[language];
  if (list === undefined) return NONE;
  const known = built.get(language);
  if (known !== undefined) return known;
  const words = new Set(list.split(" "));
  built.set(language, words);
  return words;
}
