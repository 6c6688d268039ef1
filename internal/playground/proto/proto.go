// Package proto stands in for google.golang.org/protobuf/proto in the engine of the
// playground, which needs protocol buffers only for the metadata of phone numbers: the
// library would be a tenth of the engine. It has the functions that
// github.com/nyaruka/phonenumbers calls, for the field types of its messages.
package proto

import (
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"
)

// Unmarshal decodes a message in the wire format into the struct that m points to. It skips
// unknown fields, and appends to the lists in m.
// Source: https://protobuf.dev/programming-guides/encoding/
func Unmarshal(data []byte, m any) error {
	return unmarshal(data, reflect.ValueOf(m).Elem())
}

// The wire types that the metadata has.
const (
	varint = 0
	length = 2
)

var errTruncated = errors.New("proto: truncated message")

func unmarshal(data []byte, message reflect.Value) error {
	numbers := fieldsOf(message.Type())
	for len(data) > 0 {
		tag, n := binary.Uvarint(data)
		if n <= 0 {
			return errTruncated
		}
		data = data[n:]
		value, n := binary.Uvarint(data)
		if n <= 0 {
			return errTruncated
		}
		data = data[n:]
		var content []byte
		switch tag & 7 {
		case varint:
		case length:
			if value > uint64(len(data)) {
				return errTruncated
			}
			content, data = data[:value], data[value:]
		default:
			return fmt.Errorf("proto: wire type %d is not supported", tag&7)
		}
		i, ok := numbers[tag>>3]
		if !ok {
			continue
		}
		if err := set(message.Field(i), tag&7, value, content); err != nil {
			return err
		}
	}
	return nil
}

// set stores a value in a field, which is a pointer or a list.
func set(field reflect.Value, wire, value uint64, content []byte) error {
	if field.Kind() == reflect.Slice {
		field.Grow(1)
		field.SetLen(field.Len() + 1)
		field = field.Index(field.Len() - 1)
	}
	if field.Kind() == reflect.Pointer {
		field.Set(reflect.New(field.Type().Elem()))
		field = field.Elem()
	}
	switch kind := field.Kind(); {
	case kind == reflect.Struct && wire == length:
		return unmarshal(content, field)
	case kind == reflect.String && wire == length:
		field.SetString(string(content))
	case kind == reflect.Bool && wire == varint:
		field.SetBool(value != 0)
	case kind == reflect.Int32 && wire == varint:
		field.SetInt(int64(value))
	case kind == reflect.Uint64 && wire == varint:
		field.SetUint(value)
	default:
		return fmt.Errorf("proto: wire type %d of a field of type %s is not supported", wire, field.Type())
	}
	return nil
}

var fields sync.Map // of map[uint64]int by reflect.Type

// fieldsOf returns the indexes of the fields of a message by their numbers, from the tags that
// protoc-gen-go writes.
func fieldsOf(t reflect.Type) map[uint64]int {
	if numbers, ok := fields.Load(t); ok {
		return numbers.(map[uint64]int)
	}
	numbers := make(map[uint64]int)
	for i := range t.NumField() {
		if tag := strings.Split(t.Field(i).Tag.Get("protobuf"), ","); len(tag) > 1 {
			number, _ := strconv.ParseUint(tag[1], 10, 32)
			numbers[number] = i
		}
	}
	fields.Store(t, numbers)
	return numbers
}

// Merge copies the fields that are set in the struct that src points to into that of dst. It
// appends lists. Messages below them are shared with src.
func Merge(dst, src any) {
	to, from := reflect.ValueOf(dst).Elem(), reflect.ValueOf(src).Elem()
	for i := range from.NumField() {
		switch field := from.Field(i); {
		case field.Kind() == reflect.Slice:
			to.Field(i).Set(reflect.AppendSlice(to.Field(i), field))
		case !field.IsNil():
			to.Field(i).Set(field)
		}
	}
}

// String returns a pointer to v.
func String(v string) *string { return &v }

// Bool returns a pointer to v.
func Bool(v bool) *bool { return &v }

// Int32 returns a pointer to v.
func Int32(v int32) *int32 { return &v }

// Uint64 returns a pointer to v.
func Uint64(v uint64) *uint64 { return &v }
