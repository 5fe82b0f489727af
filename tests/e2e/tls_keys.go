// SPDX-License-Identifier: Apache-2.0

// A TLS server and client of Go: tls_keys server ADDRESS CERT KEY, and
// tls_keys client URL.
package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
)

func main() {
	if os.Args[1] == "server" {
		http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "go says %s\n", r.URL.Path)
		})
		fmt.Println(http.ListenAndServeTLS(os.Args[2], os.Args[3],
			os.Args[4], nil))
		os.Exit(1)
	}
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}}
	answer, err := client.Get(os.Args[2])
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	io.Copy(os.Stdout, answer.Body)
}
