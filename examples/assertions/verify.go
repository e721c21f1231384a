// Package assertions believes the headers of `orthrus proxy serve --assertion-key FILE`, and of nobody else
// (docs/unchanged-programs.md).
package assertions

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Sender says who made the request. The key is the file's text, decoded by hex.DecodeString.
func Sender(key []byte, r *http.Request) (string, error) {
	part := strings.Split(r.Header.Get("X-Orthrus-Assertion")+"..", ".")
	lines := []string{"orthrus-assertion-1", part[1], r.Method, r.RequestURI}
	for _, name := range []string{"Client", "Claims", "Via", "Ticket-Id"} {
		lines = append(lines, r.Header.Get("X-Orthrus-"+name))
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(strings.Join(lines, "\n")))
	right := base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	stamp, err := strconv.ParseInt(part[1], 10, 64)
	age := time.Since(time.Unix(stamp, 0)).Abs()
	if part[0] != "v1" || !hmac.Equal([]byte(part[2]), []byte(right)) || err != nil || age > time.Minute {
		return "", errors.New("no assertion of the proxy, or an old one")
	}
	return r.Header.Get("X-Orthrus-Client"), nil
}
