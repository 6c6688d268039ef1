package mapping

import (
	"math/big"
	"regexp"
	"strings"
)

// symbols are the symbols of currencies in English. Other currencies have their code.
var symbols = map[string]string{
	"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "INR": "₹", "KRW": "₩", "BRL": "R$", "CAD": "CA$", "AUD": "A$",
	"NZD": "NZ$", "MXN": "MX$", "CNY": "CN¥", "ILS": "₪", "VND": "₫", "HKD": "HK$", "TWD": "NT$", "PHP": "₱",
}

// decimals are the digits after the decimal point of currencies that do not have two.
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

var (
	currencyCode = regexp.MustCompile(`^[A-Z]{3}$`)

	// plainDecimal excludes exponents, with which a few bytes make gigabytes of digits.
	plainDecimal = regexp.MustCompile(`^-?[0-9]{1,30}(\.[0-9]{1,30})?$`)
)

// minorDigits returns the digits of a currency that amounts in its smallest unit, such as
// cents, have after the decimal point.
func (o Options) minorDigits(code string) int {
	if digits, ok := o.MinorDigits[code]; ok {
		return digits
	}
	return digitsOf(code)
}

func digitsOf(code string) int {
	if digits, ok := decimals[code]; ok {
		return digits
	}
	return 2
}

// money formats an amount in English: $1,234.50, SEK 99.00, ¥500. If minorDigits is not
// nil, the amount is in the smallest unit of the currency. The arithmetic is exact; the
// result is rounded to the digits of the currency. Without an amount or a currency it is
// null.
func money(amount, currency any, minorDigits func(code string) int) any {
	if isEmpty(amount) || isEmpty(currency) {
		return nil
	}
	code, ok := currency.(string)
	if code = strings.ToUpper(strings.TrimSpace(code)); !ok || !currencyCode.MatchString(code) {
		return functionError("money needs a currency such as USD")
	}
	text, ok := Text(amount)
	if text = strings.TrimSpace(text); !ok || !plainDecimal.MatchString(text) {
		return functionError("money needs an amount such as 19.90")
	}
	digits := digitsOf(code)
	value, _ := new(big.Rat).SetString(text) // plainDecimal is a valid number
	if minorDigits != nil {
		unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(minorDigits(code))), nil)
		value.Quo(value, new(big.Rat).SetInt(unit))
	}
	number, negative := strings.CutPrefix(value.FloatString(digits), "-")
	var b strings.Builder
	if negative && strings.Trim(number, "0.") != "" {
		b.WriteByte('-')
	}
	if symbol, ok := symbols[code]; ok {
		b.WriteString(symbol)
	} else {
		b.WriteString(code + "\u00a0")
	}
	whole, fraction, _ := strings.Cut(number, ".")
	for i, digit := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(digit)
	}
	if fraction != "" {
		b.WriteString("." + fraction)
	}
	return b.String()
}
