package rbm

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"syscall"
)

// A complaint is what is wrong with an answer, in words of our own.
type complaint string

func (c complaint) Error() string { return string(c) }

const errUnreadable complaint = "the answer is not a JSON object"

// timedOut reports whether err is a time limit of any kind: of a context, of an
// HTTP client, of a connection.
func timedOut(err error) bool {
	var limit interface{ Timeout() bool }
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &limit) && limit.Timeout()
}

// describe puts the cause of a broken call into words. Only known causes are
// named: the text of others can quote an answer, or an address that holds a
// phone number.
func describe(err error) string {
	var (
		name        *net.DNSError
		certificate *tls.CertificateVerificationError
		record      tls.RecordHeaderError
		alert       tls.AlertError
		number      syscall.Errno
		own         complaint
	)
	switch {
	case errors.Is(err, context.Canceled):
		return "cancelled by the caller"
	case timedOut(err):
		return "no answer in time"
	case errors.As(err, &own):
		return own.Error()
	case errors.As(err, &name):
		return "the name of the host cannot be resolved"
	case errors.As(err, &certificate):
		return "the certificate of the host is not trusted"
	case errors.As(err, &record), errors.As(err, &alert):
		return "no TLS connection to the host"
	case errors.As(err, &number):
		return number.Error()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection ended before the answer did"
	}
	return "the connection broke"
}
