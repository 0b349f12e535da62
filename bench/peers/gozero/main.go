// Program gozero is go-zero's rest server with its defaults: log, recovery, metrics, breaker, shedding.
package main

import (
	"log"
	"net"
	"net/http"
	"os"

	"github.com/zeromicro/go-zero/core/conf"
	"github.com/zeromicro/go-zero/rest"
	"github.com/zeromicro/go-zero/rest/httpx"
	"github.com/zeromicro/go-zero/rest/pathvar"

	"example.com/telemetry/internal/peer"
)

func main() {
	host, port, err := net.SplitHostPort(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	settings := "Name: peer\nHost: " + host + "\nPort: " + port + "\nDevServer:\n  Enabled: true\n  Port: " + os.Args[2] + "\n"
	var config rest.RestConf
	if err := conf.LoadFromYamlBytes([]byte(settings), &config); err != nil {
		log.Fatal(err)
	}
	service := peer.New()
	server := rest.MustNewServer(config)
	defer server.Stop()
	server.AddRoutes([]rest.Route{
		{Method: http.MethodGet, Path: "/v1/devices/:device", Handler: func(w http.ResponseWriter, r *http.Request) {
			device, err := service.Device(r.Context(), pathvar.Vars(r)["device"])
			if err != nil {
				http.Error(w, err.Error(), http.StatusNotFound)
				return
			}
			httpx.OkJsonCtx(r.Context(), w, device)
		}},
		{Method: http.MethodPost, Path: "/v1/readings", Handler: func(w http.ResponseWriter, r *http.Request) {
			var batch peer.Batch
			if err := httpx.ParseJsonBody(r, &batch); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			stored, err := service.Add(r.Context(), batch)
			if err != nil {
				http.Error(w, err.Error(), http.StatusUnprocessableEntity)
				return
			}
			httpx.OkJsonCtx(r.Context(), w, stored)
		}},
	})
	server.Start()
}
