package rbmtest

import "strings"

// fieldKind is the proto type of a field.
type fieldKind string

const (
	kindString    fieldKind = "TYPE_STRING"
	kindBool      fieldKind = "TYPE_BOOL"
	kindInt32     fieldKind = "TYPE_INT32"
	kindInt64     fieldKind = "TYPE_INT64"
	kindDouble    fieldKind = "TYPE_DOUBLE"
	kindEnum      fieldKind = "enum"
	kindMessage   fieldKind = "message"
	kindTimestamp fieldKind = "type.googleapis.com/google.protobuf.Timestamp"
	kindDuration  fieldKind = "type.googleapis.com/google.protobuf.Duration"
	kindStruct    fieldKind = "type.googleapis.com/google.protobuf.Struct"
)

// descriptor describes a request message as the front end's parser needs it.
type descriptor struct {
	name   string
	fields []field
}

type field struct {
	name     string // in the proto's snake_case
	kind     fieldKind
	repeated bool
	oneof    string // the union that it belongs to
	output   bool   // filled in by the platform
	message  *descriptor
	enum     *enum
}

type enum struct {
	name   string
	values []string // at the index that is its number
}

// The names under which the front end reports a type.
//
// Assumption: packages and nesting are those of the protocol buffers of 2021.
const (
	protoV1    = "type.googleapis.com/google.communications.rcsbusinessmessaging.v1."
	protoCards = protoV1 + "richcards."
)

// lookup finds a field by either of its names.
func (d *descriptor) lookup(name string) *field {
	for i := range d.fields {
		if f := &d.fields[i]; f.name == name || f.json() == name {
			return f
		}
	}
	return nil
}

// json returns the name in lower camel case.
func (f *field) json() string {
	head, rest, ok := strings.Cut(f.name, "_")
	for ok {
		var word string
		word, rest, ok = strings.Cut(rest, "_")
		head += strings.ToUpper(word[:1]) + word[1:]
	}
	return head
}

// typeName is what stands in parentheses where a value does not fit.
func (f *field) typeName() string {
	switch f.kind {
	case kindMessage:
		return f.message.name
	case kindEnum:
		return f.enum.name
	default:
		return string(f.kind)
	}
}

func str(name string) field                { return field{name: name, kind: kindString} }
func msg(name string, d *descriptor) field { return field{name: name, kind: kindMessage, message: d} }

func word(name string, e *enum) field              { return field{name: name, kind: kindEnum, enum: e} }
func scalar(name string, kind fieldKind) field     { return field{name: name, kind: kind} }
func in(oneof string, f field) field               { f.oneof = oneof; return f }
func list(f field) field                           { f.repeated = true; return f }
func output(f field) field                         { f.output = true; return f }
func describe(name string, f ...field) *descriptor { return &descriptor{name, f} }

// The request messages of the API.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages
var (
	uploadedFileSchema = describe(protoV1+"UploadedRbmFile", str("file_name"), str("thumbnail_name"))
	contentInfoSchema  = describe(protoV1+"ContentInfo",
		str("file_url"), str("thumbnail_url"), scalar("force_refresh", kindBool))

	latLngSchema = describe("type.googleapis.com/google.type.LatLng",
		scalar("latitude", kindDouble), scalar("longitude", kindDouble))

	openURLSchema = describe(protoV1+"OpenUrlAction",
		str("url"),
		word("application", &enum{protoV1 + "OpenUrlApplication", []string{"OPEN_URL_APPLICATION_UNSPECIFIED", "BROWSER", "WEBVIEW"}}),
		word("webview_view_mode", &enum{protoV1 + "WebviewViewMode", []string{"WEBVIEW_VIEW_MODE_UNSPECIFIED", "FULL", "HALF", "TALL"}}),
		str("description"))

	composeSchema = describe(protoV1+"ComposeAction",
		in("action", msg("compose_text_message", describe(protoV1+"ComposeAction.ComposeTextMessage", str("phone_number"), str("text")))),
		in("action", msg("compose_recording_message", describe(protoV1+"ComposeAction.ComposeRecordingMessage", str("phone_number"), str("type")))))

	actionSchema = describe(protoV1+"SuggestedAction",
		str("text"), str("postback_data"), str("fallback_url"),
		in("action", msg("dial_action", describe(protoV1+"DialAction", str("phone_number")))),
		in("action", msg("view_location_action", describe(protoV1+"ViewLocationAction",
			msg("lat_long", latLngSchema), str("label"), str("query")))),
		in("action", msg("create_calendar_event_action", describe(protoV1+"CreateCalendarEventAction",
			scalar("start_time", kindTimestamp), scalar("end_time", kindTimestamp), str("title"), str("description")))),
		in("action", msg("open_url_action", openURLSchema)),
		in("action", msg("share_location_action", describe(protoV1+"ShareLocationAction"))),
		in("action", msg("compose_action", composeSchema)))

	suggestionSchema = describe(protoV1+"Suggestion",
		in("option", msg("reply", describe(protoV1+"SuggestedReply", str("text"), str("postback_data")))),
		in("option", msg("action", actionSchema)))

	mediaSchema = describe(protoCards+"Media",
		in("content", str("file_name")),
		in("content", msg("uploaded_rbm_file", uploadedFileSchema)),
		in("content", msg("content_info", contentInfoSchema)),
		word("height", &enum{protoCards + "Media.Height", []string{"HEIGHT_UNSPECIFIED", "SHORT", "MEDIUM", "TALL"}}),
		str("content_description"))

	cardSchema = describe(protoCards+"CardContent",
		str("title"), str("description"), msg("media", mediaSchema), list(msg("suggestions", suggestionSchema)))

	richCardSchema = describe(protoCards+"RichCard",
		in("card", msg("carousel_card", describe(protoCards+"CarouselCard",
			word("card_width", &enum{protoCards + "CarouselCard.CardWidth", []string{"CARD_WIDTH_UNSPECIFIED", "SMALL", "MEDIUM"}}),
			list(msg("card_contents", cardSchema))))),
		in("card", msg("standalone_card", describe(protoCards+"StandaloneCard",
			word("card_orientation", &enum{protoCards + "StandaloneCard.CardOrientation", []string{"CARD_ORIENTATION_UNSPECIFIED", "HORIZONTAL", "VERTICAL"}}),
			word("thumbnail_image_alignment", &enum{protoCards + "StandaloneCard.ThumbnailImageAlignment", []string{"THUMBNAIL_IMAGE_ALIGNMENT_UNSPECIFIED", "LEFT", "RIGHT"}}),
			msg("card_content", cardSchema)))))

	classificationSchema = describe(protoV1+"RichMessageClassification",
		str("classification_type"), scalar("segment_count", kindInt32))

	agentMessageSchema = describe(protoV1+"AgentMessage",
		output(str("name")),
		output(scalar("send_time", kindTimestamp)),
		msg("content_message", describe(protoV1+"AgentContentMessage",
			in("content", str("text")),
			in("content", str("file_name")),
			in("content", msg("uploaded_rbm_file", uploadedFileSchema)),
			in("content", msg("rich_card", richCardSchema)),
			in("content", msg("content_info", contentInfoSchema)),
			list(msg("suggestions", suggestionSchema)))),
		word("message_traffic_type", &enum{protoV1 + "MessageTrafficType", []string{
			"MESSAGE_TRAFFIC_TYPE_UNSPECIFIED", "AUTHENTICATION", "TRANSACTION", "PROMOTION", "SERVICEREQUEST", "ACKNOWLEDGEMENT",
		}}),
		in("expiration", scalar("expire_time", kindTimestamp)),
		in("expiration", scalar("ttl", kindDuration)),
		output(msg("rich_message_classification", classificationSchema)),
		output(scalar("total_payload_size_bytes", kindInt64)),
		output(str("carrier")))

	agentEventSchema = describe(protoV1+"AgentEvent",
		output(str("name")),
		word("event_type", &enum{protoV1 + "AgentEvent.EventType", []string{"TYPE_UNSPECIFIED", "IS_TYPING", "READ"}}),
		str("message_id"),
		output(scalar("send_time", kindTimestamp)))

	testerSchema = describe(protoV1+"Tester",
		output(str("name")),
		word("invite_status", &enum{protoV1 + "Tester.InviteStatus", []string{"INVITE_STATUS_UNSPECIFIED", "PENDING", "ACCEPTED", "DECLINED"}}))

	dialogflowSchema = describe(protoV1+"DialogflowEvent",
		output(str("name")), str("event_name"), str("language_code"), scalar("parameters", kindStruct))

	batchGetSchema = describe(protoV1+"BatchGetUsersRequest", list(str("users")), str("agent_id"))

	fileSchema = describe(protoV1+"CreateFileRequest",
		str("file_url"), str("thumbnail_url"), str("agent_id"), str("content_description"))
)
