package rbmtest

// Assumptions are the answers to questions that the documents leave open or
// answer in two ways. The zero value holds the likelier answer to each, and every
// comment says why it is.
type Assumptions struct {
	// DuplicateConflict answers an ID that the agent has used before with 409
	// ALREADY_EXISTS. By default it is answered with 200 and the body of the first
	// time: the documents say that the platform ignores the repetition and
	// recommend repeating. Nothing is delivered twice either way.
	DuplicateConflict bool

	// RequireUUID refuses message, event and request IDs that are no UUIDs, as
	// the reference demands. By default any ID is taken: the official samples
	// use numbers such as 123456661.
	RequireUUID bool

	// AllowMissingID takes a message or event without an ID and gives it one. By
	// default it is refused with 400, because the reference calls the ID
	// required; older pages did not.
	AllowMissingID bool

	// EntityNotFound words the 404 of an unreachable number "Requested entity was
	// not found.", as some have seen it when sending. By default it is the text
	// that most have seen.
	EntityNotFound bool

	// NotLaunchedForbidden answers for a network where the agent is not launched
	// with 403, as an older guide has it. By default it is 404, as the current
	// reference has it.
	NotLaunchedForbidden bool

	// CapabilitiesForbidden answers an unlaunched agent that asks for the
	// capabilities of someone who is no tester with 403, as the generated clients
	// say. By default it is 404, as the current reference has it.
	CapabilitiesForbidden bool

	// RevokeAlwaysOK answers every revocation with 200, also of a message that
	// was delivered, as the clients of 2025 say. By default that one gets 404, as
	// the current reference has it.
	RevokeAlwaysOK bool

	// RevokeRace loses the race of a revocation: it is answered as a success,
	// and the message is delivered all the same. The documents call it rare. By
	// default revocations win.
	RevokeRace bool

	// RevokeUnknownOK answers the revocation of an ID that was never sent, or of
	// a message that is revoked or expired, with 200. By default it is 404, which
	// follows from the current meaning of that status.
	RevokeUnknownOK bool

	// OutputFieldsIgnored drops the fields that only the platform fills in from a
	// message. By default they are refused: the reference asks not to send them.
	OutputFieldsIgnored bool

	// TenCardSuggestions lets a card have ten buttons, as the texts of the
	// generated clients say. By default the limit is four, as in the guides.
	TenCardSuggestions bool

	// RefuseUnknownFiles refuses messages with the name of a file that was never
	// uploaded, or longer than 60 days ago. By default they are taken, because no
	// answer of the platform to them is known and samples need no upload then.
	RefuseUnknownFiles bool

	// BatchMinimum refuses users.batchGet with fewer than 500 numbers. By default
	// they are answered, with sample counters of zero, as the texts of the
	// generated clients say.
	BatchMinimum bool

	// LenientHandshake also takes "secret: ..." and {"secret": "..."} from a
	// webhook, as official samples answer. By default it is the bare secret, as
	// the current guide has it.
	LenientHandshake bool

	// Expiry is what happens when a message expires before it is delivered.
	Expiry Expiry
}

// Expiry is the outcome of an expiry.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/guides/build/messages/revoke
type Expiry string

// The outcomes of an expiry. The documents describe all of them and call the last
// two rare.
const (
	// ExpiryRevoked revokes the message and reports TTL_EXPIRATION_REVOKED.
	ExpiryRevoked Expiry = ""

	// ExpiryRevokeFailed reports TTL_EXPIRATION_REVOKE_FAILED. The message stays
	// in the queue, and is delivered when the user comes online.
	ExpiryRevokeFailed Expiry = "revoke_failed"

	// ExpiryBoth loses the race: the message is delivered although
	// TTL_EXPIRATION_REVOKED is reported, and DELIVERED with it.
	ExpiryBoth Expiry = "both"

	// ExpiryNeither revokes the message and reports nothing.
	ExpiryNeither Expiry = "neither"
)
