// ISO 3166-1 alpha-2, as the API takes them; their names are the browser's own.

const CODES =
  "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY " +
  "BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK " +
  "FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR " +
  "IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK " +
  "ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM " +
  "PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF " +
  "TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW";

// Whose addresses always have a postal code, and whose name a state or region: the API refuses them without (shop/postal.py).
const WITH_POSTAL_CODE =
  "AS AT AU AX BE BL BR CA CH CN CZ DE DK EE ES FI FK FM FR GB GF GG GL GP GR GS GU HU IM IN IO IT JE JP KR LI " +
  "LT LU LV MF MH MP MQ MX MY NC NL NO NZ PF PL PM PN PR PT PW RE RO RU SE SG SH SJ SK SM TC TR TW UA US VI WF " +
  "YT ZA";
const WITH_REGION =
  "AE AS AU BR CA CN CO CR ES FM HK HN ID IN IQ IT JM JP KN KR KY MH MP MX NR PF PG PW RU SO SV TW UM US VE VI";

/** Return whether each address of this country has a postal code. */
export const needsPostalCode = (code) => WITH_POSTAL_CODE.split(" ").includes(code);

/** Return whether each address of this country names its state or region. */
export const needsRegion = (code) => WITH_REGION.split(" ").includes(code);

/** Return [code, name] of every country, by name. */
export function countries() {
  const names = new Intl.DisplayNames([document.documentElement.lang], { type: "region" });
  return CODES.split(" ")
    .map((code) => [code, names.of(code)])
    .sort(([, one], [, other]) => one.localeCompare(other));
}

/** Return the country that the browser's language names, or "". */
export function likelyCountry() {
  const region = new Intl.Locale(navigator.language || "en").region ?? "";
  return CODES.split(" ").includes(region) ? region : "";
}
