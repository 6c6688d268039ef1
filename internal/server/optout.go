package server

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/events"
	"github.com/rcshook/rcshook/internal/optout"
	"github.com/rcshook/rcshook/internal/phonenumber"
	"github.com/rcshook/rcshook/internal/prepare"
	"github.com/rcshook/rcshook/internal/response"
	"github.com/rcshook/rcshook/internal/send"
)

// openOptOuts opens the brands and their stores. The error is a [*config.Error].
func (s *Server) openOptOuts() (err error) {
	s.optOuts, err = optout.Open(optout.Options{
		Brands: s.cfg.Brands, API: platformAPI{s}, Endpoint: s.cfg.StorageEndpoint, Now: s.now, Ask: s.ask, CheckTimeout: s.optOutTimeout,
		Secret:   func(ctx context.Context, key config.Secret) ([]byte, error) { return s.agents.Secret(ctx, key) },
		Reread:   func(ctx context.Context, key config.Secret) error { return s.agents.Reread(ctx, key) },
		Prefetch: func(key config.Secret) { s.agents.PrefetchSecret(key) },
	})
	return err
}

// allow reports whether a message may go to a recipient: it is not of a type that the
// recipient opted out of.
func (s *Server) allow(ctx context.Context, m *send.Message, to string) error {
	return s.optOuts.Allow(ctx, m.AgentName, to, string(m.Message.Message.MessageTrafficType))
}

// ask asks the target of a store whether a person opted out.
func (s *Server) ask(ctx context.Context, t *config.Target, phone, brand string) (optedOut bool, err error) {
	return optout.Ask(ctx, s.targets.Lookups[t].Ask, phone, brand, s.now())
}

// optOut handles an event with which the user opts out or in, or asks for help: it stores
// the state, and gives the event its type. Other events are not changed. The agents have
// the ID of the event's agent: the signal counts for the brands of all.
func (s *Server) optOut(ctx context.Context, e *events.Event, agents []string) (decision optout.Decision, err error) {
	phone := numberOf(e)
	action := optout.Action{Agent: e.Agent, Phone: phone}
	switch e.Type {
	case string(optout.Stop), string(optout.Start):
		action.Kind = optout.Kind(e.Type)
	case "reply":
		action.Text = e.Text
	case "button":
		action.Postback = e.Postback
	}
	signal, ok := s.optOuts.Recognize(action)
	if !ok {
		return decision, nil
	}
	for _, agent := range slices.Backward(agents) { // the last is that of the event
		if agent != e.Agent && s.cfg.BrandOf(agent) == s.cfg.BrandOf(e.Agent) {
			continue
		}
		decision, err = s.optOuts.Handle(ctx, signal, optout.Record{Agent: agent, Phone: phone, At: e.Time, EventID: e.ID})
		if err != nil {
			return optout.Decision{}, err
		}
	}
	e.Keyword, e.Via = signal.Keyword, signal.Via
	if decision.Superseded {
		e.Type = string(signal.Kind)
		return decision, nil
	}
	e.SetType(string(signal.Kind), decision.ID)
	if decision.Unenforced {
		s.warnUnenforced(ctx, s.cfg.BrandOf(e.Agent).Name)
	}
	return decision, nil
}

// numberOf returns the number of an event as those of messages are read: otherwise a check
// would not find the record. RBM knows numbers that this program does not.
func numberOf(e *events.Event) string {
	phone, err := phonenumber.Read(e.Phone, phonenumber.Options{})
	if err != nil {
		return e.Phone
	}
	return phone
}

// warnUnenforced logs, once for each brand, that opting out has no effect.
func (s *Server) warnUnenforced(ctx context.Context, brand string) {
	if _, warned := s.unenforced.LoadOrStore(brand, true); !warned {
		s.log.LogAttrs(ctx, slog.LevelWarn, "a user opted out, but no message is blocked: set RCSHOOK_OPT_OUT_STORE, or store below opt_out", slog.String("brand", brand))
	}
}

// confirm sends the confirmation of a signal. All signals of one change of the state have
// the same message ID, so that the user gets one confirmation. The error is temporary: RBM
// sends the event again.
func (s *Server) confirm(ctx context.Context, e *events.Event, d optout.Decision) error {
	var res *response.Response
	if m, err := prepare.Confirmation(e.Agent, numberOf(e), d.Text, d.Chip, s.now()); err != nil {
		res = response.FromError(err) // no retry helps
	} else {
		m.Key = "opt-out\n" + d.ID
		if m.Agent, err = s.agent(ctx, e.Agent); err != nil {
			return err
		}
		res = response.FromResults(s.sender.Send(ctx, m), nil)
	}
	if res.SetProfile(response.Soft); res.OK {
		return nil
	}
	if res.Status >= http.StatusMultipleChoices {
		return &response.Problem{Code: res.Code, Detail: "the confirmation was not sent", Err: res.Err, RetryAfter: res.RetryAfter}
	}
	s.log.LogAttrs(ctx, slog.LevelError, "the confirmation of an opt-out or opt-in was not sent",
		slog.String("code", string(res.Code)), slog.String("agent", e.Agent), slog.String("event", e.ID), slog.Any("cause", fmt.Sprint(res.Err)))
	return nil
}
