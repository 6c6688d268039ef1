// Package rbm is a client of Google's RCS Business Messaging API, version 1, also
// sold as RCS for Business.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest
package rbm
