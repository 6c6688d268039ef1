package optout

import (
	"strings"

	"github.com/rcshook/rcshook/internal/phonenumber"
)

// texts are the default confirmations by language. They name no brand, because the name of
// the agent is above each message.
var texts = map[string]struct{ stop, chip, start, help string }{
	"en": {
		stop:  "You are unsubscribed and will not get promotional messages from us anymore. Reply START to get them again.",
		chip:  "Subscribe again",
		start: "Thank you. You are now subscribed to our messages. Reply STOP to unsubscribe at any time.",
		help:  "This is an automatic reply. Reply STOP to unsubscribe from our promotional messages, or START to get them again.",
	},
	"es": {
		stop:  "Hemos cancelado su suscripción y ya no recibirá nuestros mensajes promocionales. Responda ALTA para volver a recibirlos.",
		chip:  "Volver a suscribirme",
		start: "Gracias. Su suscripción a nuestros mensajes está activa. Responda BAJA para cancelarla en cualquier momento.",
		help:  "Esta es una respuesta automática. Responda BAJA para no recibir más mensajes promocionales o ALTA para volver a recibirlos.",
	},
	"pt": {
		stop:  "Sua inscrição foi cancelada. Você não receberá mais nossas mensagens promocionais. Responda COMEÇAR para voltar a recebê-las.",
		chip:  "Voltar a receber",
		start: "Sua inscrição em nossas mensagens está ativa. Responda PARAR para cancelá-la a qualquer momento.",
		help:  "Esta é uma resposta automática. Responda PARAR para não receber mais mensagens promocionais ou COMEÇAR para voltar a recebê-las.",
	},
	"fr": {
		stop:  "Votre désinscription est confirmée. Vous ne recevrez plus nos messages promotionnels. Répondez DÉMARRER pour les recevoir à nouveau.",
		chip:  "Me réinscrire",
		start: "Merci. Votre inscription à nos messages est confirmée. Répondez STOP pour vous désinscrire à tout moment.",
		help:  "Ceci est une réponse automatique. Répondez STOP pour ne plus recevoir nos messages promotionnels ou DÉMARRER pour les recevoir à nouveau.",
	},
	"de": {
		stop:  "Sie sind abgemeldet und erhalten keine Werbenachrichten mehr von uns. Antworten Sie mit START, um sie wieder zu erhalten.",
		chip:  "Wieder anmelden",
		start: "Danke, Sie sind jetzt für unsere Nachrichten angemeldet. Mit STOP können Sie sich jederzeit wieder abmelden.",
		help:  "Dies ist eine automatische Antwort. Mit STOP melden Sie sich von unseren Werbenachrichten ab, mit START wieder an.",
	},
}

// Texts returns the default confirmation for a request, in English if the language is not
// en, es, pt, fr or de. After [Stop], the chip is the label of a suggestion whose postback
// is START. The confirmation of [Stop] is true only if promotional messages are blocked.
func Texts(kind Kind, language string) (text, chip string) {
	t, ok := texts[language]
	if !ok {
		t = texts["en"]
	}
	switch kind {
	case Stop:
		return t.stop, t.chip
	case Start:
		return t.start, ""
	case Help:
		return t.help, ""
	}
	return "", ""
}

// countries have one of the languages of [Texts] as their main language, by the Unicode CLDR.
// English is that of the others here.
var countries = map[string]string{
	"de": "AT CH DE LI",
	"es": "AR BO CL CO CR CU DO EC ES GQ GT HN MX NI PA PE PR SV UY VE",
	"fr": "BF BJ BL CF CG CI CM FR GA GF GN GP LU MC MF MQ NC PF PM RE SC SN TD TF TG WF YT",
	"pt": "AO BR CV GW MZ PT ST TL",
}

// Language returns the main language of the country of an E.164 number if [Texts] has it,
// or en.
func Language(phone string) string {
	if country := phonenumber.CountryOf(phone); country != "" {
		for language, list := range countries {
			if strings.Contains(list, country) {
				return language
			}
		}
	}
	return "en"
}
