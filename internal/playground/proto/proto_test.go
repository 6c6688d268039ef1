package proto_test

import (
	"reflect"
	"testing"

	"github.com/rcshook/rcshook/internal/playground/proto"
)

type kind int32

type inner struct {
	Lengths []int32 `protobuf:"varint,9,rep,name=lengths"`
}

type message struct {
	Text   *string  `protobuf:"bytes,1,opt,name=text"`
	Flag   *bool    `protobuf:"varint,2,opt,name=flag"`
	Number *uint64  `protobuf:"varint,3,opt,name=number"`
	Kind   *kind    `protobuf:"varint,4,opt,name=kind,enum=kind"`
	Texts  []string `protobuf:"bytes,5,rep,name=texts"`
	Inner  *inner   `protobuf:"bytes,6,opt,name=inner"`
	Inners []*inner `protobuf:"bytes,20,rep,name=inners"`
}

func TestUnmarshal(t *testing.T) {
	t.Parallel()
	one := kind(1)
	for _, test := range []struct {
		name, data string
		want       message
		err        string
	}{
		{name: "empty"},
		{name: "scalars", data: "\x0a\x02hi\x10\x01\x18\xac\x02\x20\x01", want: message{Text: proto.String("hi"), Flag: proto.Bool(true), Number: proto.Uint64(300), Kind: &one}},
		{name: "lists", data: "\x2a\x01a\x2a\x00\xa2\x01\x04\x48\x07\x48\x08\xa2\x01\x00", want: message{Texts: []string{"a", ""}, Inners: []*inner{{Lengths: []int32{7, 8}}, {}}}},
		{name: "a message", data: "\x32\x02\x48\x05", want: message{Inner: &inner{Lengths: []int32{5}}}},
		{name: "unknown fields", data: "\x38\x01\x42\x01x\x10\x00", want: message{Flag: proto.Bool(false)}},
		{name: "no value", data: "\x0a", err: "proto: truncated message"},
		{name: "short", data: "\x0a\x03hi", err: "proto: truncated message"},
		{name: "a varint without end", data: "\xff", err: "proto: truncated message"},
		{name: "short inside", data: "\x32\x01\x48", err: "proto: truncated message"},
		{name: "packed", data: "\x32\x03\x4a\x01\x05", err: "proto: wire type 2 of a field of type int32 is not supported"},
		{name: "fixed32", data: "\x0d\x01\x02\x03\x04", err: "proto: wire type 5 is not supported"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var got message
			err := proto.Unmarshal([]byte(test.data), &got)
			if test.err != "" {
				if err == nil || err.Error() != test.err {
					t.Errorf("Unmarshal = %v, want %s", err, test.err)
				}
				return
			}
			if err != nil || !reflect.DeepEqual(got, test.want) {
				t.Errorf("Unmarshal = %+v, %v, want %+v", got, err, test.want)
			}
		})
	}
}

func TestMerge(t *testing.T) {
	t.Parallel()
	a := inner{Lengths: []int32{1}}
	proto.Merge(&a, &inner{Lengths: []int32{2}})
	if want := []int32{1, 2}; !reflect.DeepEqual(a.Lengths, want) {
		t.Errorf("Merge = %v, want %v", a.Lengths, want)
	}
}
