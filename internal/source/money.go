package source

import (
	"encoding/json"
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"
)

// symbols are how currencies are written in English, where they are not written
// by their codes.
var symbols = map[string]string{
	"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "INR": "₹", "KRW": "₩", "BRL": "R$", "CAD": "CA$", "AUD": "A$",
	"NZD": "NZ$", "MXN": "MX$", "CNY": "CN¥", "ILS": "₪", "VND": "₫", "HKD": "HK$", "TWD": "NT$", "PHP": "₱",
}

// decimals are the digits after the point, where they are not two.
//
// ISO 4217: https://www.six-group.com/en/products-services/financial-information/data-standards.html
var decimals = func() map[string]int {
	m := make(map[string]int)
	for _, code := range strings.Fields("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF") {
		m[code] = 0
	}
	for _, code := range strings.Fields("BHD IQD JOD KWD LYD OMR TND") {
		m[code] = 3
	}
	return m
}()

var currencyCode = regexp.MustCompile(`^[A-Z]{3}$`)

// money writes an amount in English: $1,234.50, SEK 99.00, ¥500. A minor amount is
// one in the smallest unit of the currency, such as cents. Nothing is lost to
// floating point; what has more digits than the currency is rounded.
func money(amount, currency any, minor bool) any {
	name, ok := currency.(string)
	if name = strings.ToUpper(name); !ok || !currencyCode.MatchString(name) {
		return functionError("money needs a currency such as USD")
	}
	text, ok := asText(amount)
	if !ok || !plainDecimal.MatchString(text) {
		return functionError("money needs an amount such as 19.90")
	}
	digits, ok := decimals[name]
	if !ok {
		digits = 2
	}
	value, _ := new(big.Rat).SetString(text) // of the form above
	if minor {
		unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(digits)), nil)
		value.Quo(value, new(big.Rat).SetInt(unit))
	}
	written, sign := value.FloatString(digits), ""
	if rest, ok := strings.CutPrefix(written, "-"); ok && strings.Trim(rest, "0.") != "" {
		written, sign = rest, "-"
	} else {
		written = strings.TrimPrefix(written, "-")
	}
	symbol, ok := symbols[name]
	if !ok {
		symbol = name + "\u00a0"
	}
	return sign + symbol + grouped(written)
}

// plainDecimal keeps exponents out: a few bytes of them make a number of gigabytes.
var plainDecimal = regexp.MustCompile(`^-?[0-9]{1,30}(\.[0-9]{1,30})?$`)

// grouped puts a comma before every three digits.
func grouped(number string) string {
	whole, rest, _ := strings.Cut(number, ".")
	var b strings.Builder
	for i, digit := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(digit)
	}
	if rest != "" {
		b.WriteString("." + rest)
	}
	return b.String()
}

// decimal writes a number of a program with its digits.
func decimal(v any) (string, bool) {
	switch v := v.(type) {
	case int:
		return strconv.Itoa(v), true
	case *big.Int:
		return v.String(), true
	case json.Number:
		if strings.ContainsAny(v.String(), "eE") {
			f, err := v.Float64()
			return strconv.FormatFloat(f, 'f', -1, 64), err == nil
		}
		return v.String(), true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), !math.IsNaN(v) && !math.IsInf(v, 0)
	}
	return "", false
}

// number makes a number of a text of digits, and leaves the rest.
func number(v any) any {
	if text, ok := v.(string); ok && text != "" {
		return json.Number(text)
	}
	return v
}
