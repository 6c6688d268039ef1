package rbmtest

// Assumptions decide the questions on which the documents are silent or contradictory. The
// zero value is the likelier choice for each, and every comment gives the reason.
type Assumptions struct {
	// DuplicateConflict makes an ID that the agent has used before a 409 ALREADY_EXISTS
	// error. By default the response is 200 with the first body: the documents say that the
	// platform ignores the duplicate, and recommend retries. The message is delivered once
	// either way.
	DuplicateConflict bool

	// RequireUUID rejects message, event and request IDs that are not UUIDs, as the
	// reference demands. By default any ID is accepted: the official samples use numbers
	// such as 123456661.
	RequireUUID bool

	// AllowMissingID accepts a message without an ID and generates one. By default it is a
	// 400 error, because the reference calls the ID required; older pages did not.
	AllowMissingID bool

	// EntityNotFound gives the 404 of an unreachable number the text "Requested entity was
	// not found.", which has been seen when sending. By default it is the more common text.
	EntityNotFound bool

	// NotLaunchedForbidden uses 403 for a network where the agent is not launched, as an
	// older guide does. By default it is 404, as in the current reference.
	NotLaunchedForbidden bool

	// CapabilitiesForbidden uses 403 when an unlaunched agent asks for the capabilities of
	// a user outside the testers, as the generated clients document. By default it is 404,
	// as in the current reference.
	CapabilitiesForbidden bool

	// RevokeAlwaysOK uses 200 for every revocation, also of a delivered message, as the
	// clients of 2025 document. By default that one gets 404, as in the current reference.
	RevokeAlwaysOK bool

	// RevokeRace makes a revocation succeed although the message is delivered. The
	// documents call it rare. By default revocations win.
	RevokeRace bool

	// RevokeUnknownOK uses 200 for the revocation of an unknown ID, or of a message that is
	// revoked or expired. By default it is 404, which follows from the current meaning of
	// that status.
	RevokeUnknownOK bool

	// StrictJSON rejects bodies that are not strict JSON. By default the simulator reads a
	// body exactly as [rbm.ParseRequest] does: strings in single quotes, as official samples
	// send them, names without quotes and a comma after the last member are accepted, and
	// duplicate members are errors. Except for the quotes, no document describes this.
	StrictJSON bool

	// OutputFieldsIgnored drops the fields of a request that only the platform sets. By
	// default they are errors: the reference asks not to send them.
	OutputFieldsIgnored bool

	// TenCardSuggestions lets a card have ten buttons, as the generated clients document. By
	// default the limit is four, as in the guides.
	TenCardSuggestions bool

	// RefuseUnknownFiles rejects messages with the name of a file that was never uploaded,
	// or expired after 60 days. By default they are accepted, because the platform's response
	// is not known and samples then need no upload.
	RefuseUnknownFiles bool

	// BatchMinimum rejects users.batchGet with fewer than 500 numbers. By default they are
	// accepted, with sample counters of zero, as the generated clients document.
	BatchMinimum bool

	// StrictHandshake accepts only the bare secret from a webhook, as in the current guide.
	// By default "secret: ..." and {"secret": "..."} are accepted with a warning: official
	// samples respond so.
	StrictHandshake bool

	// HandshakeDisables makes an integration whose handshake fails DISABLED, in place of the
	// agent's earlier webhook. By default the request is a 400 error and changes nothing. No
	// document describes either.
	HandshakeDisables bool

	// Expiry is the outcome of an expiry.
	Expiry Expiry
}

// Expiry is the outcome when a message expires before it is delivered.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/guides/build/messages/revoke
type Expiry string

// The outcomes of an expiry. The documents describe all of them and call the last two rare.
const (
	// ExpiryRevoked revokes the message and reports TTL_EXPIRATION_REVOKED.
	ExpiryRevoked Expiry = ""

	// ExpiryRevokeFailed reports TTL_EXPIRATION_REVOKE_FAILED. The message stays in the
	// queue, and is delivered when the user comes online.
	ExpiryRevokeFailed Expiry = "revoke_failed"

	// ExpiryBoth delivers the message although TTL_EXPIRATION_REVOKED is reported; DELIVERED
	// is reported too.
	ExpiryBoth Expiry = "both"

	// ExpiryNeither revokes the message and reports nothing.
	ExpiryNeither Expiry = "neither"
)
