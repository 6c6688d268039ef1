package queue

import (
	"encoding/json"
	"time"
)

// MaxDeliveryAge is the age at which the function gives up the delivery of an event. RBM
// gives up at the same age.
const MaxDeliveryAge = 7 * 24 * time.Hour

// Delivery is one event on its way to one target.
type Delivery struct {
	Version int `json:"version"`

	// Target is the name of the target.
	Target string `json:"target"`

	// EventID is the ID of the event, and Event the event as JSON.
	EventID string          `json:"event_id"`
	Event   json.RawMessage `json:"event"`

	// Created is when the event arrived.
	Created time.Time `json:"created"`
}

func (d *Delivery) taskID() string { return deliver.taskID(d.Target, d.EventID) }

// DecodeDelivery parses the body of the task of that ID. The error is [ErrTask] or
// [ErrVersion]; it contains no part of the body.
func DecodeDelivery(id string, body []byte) (*Delivery, error) {
	var d Delivery
	err := json.Unmarshal(body, &d)
	switch {
	case err == nil && d.Version > version:
		return nil, ErrVersion
	case err != nil || d.Version < 1 || d.Target == "" || d.EventID == "" || len(d.Event) == 0 || id != d.taskID():
		return nil, ErrTask
	}
	return &d, nil
}
