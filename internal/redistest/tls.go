package redistest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// An Authority is a certificate authority for tests.
type Authority struct {
	Roots *x509.CertPool // contains the authority's own certificate

	t    testing.TB
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// NewAuthority returns a new authority. Its files are removed at the end of the test.
func NewAuthority(t testing.TB) *Authority {
	t.Helper()
	a := &Authority{t: t, dir: t.TempDir(), Roots: x509.NewCertPool()}
	template := a.template("authority", time.Now().Add(time.Hour))
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	a.key = newKey(t)
	a.cert = sign(t, template, template, &a.key.PublicKey, a.key)
	a.Roots.AddCert(a.cert)
	a.write("ca.crt", "CERTIFICATE", a.cert.Raw)
	return a
}

// Issue returns a certificate for 127.0.0.1 that expires at the given time. It also writes the
// certificate to name.crt and the key to name.key.
func (a *Authority) Issue(name string, expires time.Time) tls.Certificate {
	a.t.Helper()
	key := newKey(a.t)
	cert := sign(a.t, a.template(name, expires), a.cert, &key.PublicKey, a.key)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	a.write(name+".crt", "CERTIFICATE", cert.Raw)
	a.write(name+".key", "PRIVATE KEY", der)
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key}
}

// Path returns the path of a file of the authority, which is ca.crt or a file that Issue wrote.
func (a *Authority) Path(file string) string { return filepath.Join(a.dir, file) }

// StartTLS starts a server with a second port, which speaks TLS and requires client certificates. It
// returns the server and the address of the second port.
func StartTLS(t testing.TB, a *Authority, args ...string) (s *Server, addr string) {
	t.Helper()
	a.Issue("server", time.Now().Add(time.Hour))
	port := freePort(t)
	s = Start(t, append([]string{
		"--tls-port", port, "--tls-auth-clients", "yes", "--tls-ca-cert-file", a.Path("ca.crt"),
		"--tls-cert-file", a.Path("server.crt"), "--tls-key-file", a.Path("server.key"),
	}, args...)...)
	return s, "127.0.0.1:" + port
}

func (a *Authority) template(name string, expires time.Time) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-2 * time.Hour),
		NotAfter:     expires,
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
}

func (a *Authority) write(file, kind string, der []byte) {
	a.t.Helper()
	if err := os.WriteFile(a.Path(file), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sign(t testing.TB, template, parent *x509.Certificate, public *ecdsa.PublicKey, key *ecdsa.PrivateKey) *x509.Certificate {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}
