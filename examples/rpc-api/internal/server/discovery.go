package server

import (
	"context"
	"slices"

	"connectrpc.com/connect"
	"connectrpc.com/grpchealth"
	"connectrpc.com/grpcreflect"
)

// Discovery is what clients and load balancers of gRPC ask a server about itself: whether services
// are healthy, and what their schema is.
func (s *Server) Discovery(services ...string) []Route {
	health, checker := grpchealth.NewHandler(&health{s, services}, HandlerOptions()...)
	reflector := grpcreflect.NewStaticReflector(services...)
	v1, describe := grpcreflect.NewHandlerV1(reflector, HandlerOptions()...)
	alpha, describeAlpha := grpcreflect.NewHandlerV1Alpha(reflector, HandlerOptions()...)
	return slices.Concat(
		Procedures(checker, health+"Check", health+"Watch"),
		Procedures(describe, v1+"ServerReflectionInfo"),
		Procedures(describeAlpha, alpha+"ServerReflectionInfo"),
	)
}

// health is readiness as gRPC asks for it.
type health struct {
	server   *Server
	services []string
}

// Check implements grpchealth.Checker. The empty name is that of the whole server.
func (h *health) Check(_ context.Context, request *grpchealth.CheckRequest) (*grpchealth.CheckResponse, error) {
	if request.Service != "" && !slices.Contains(h.services, request.Service) {
		return nil, Fail(connect.CodeNotFound, "there is no such service")
	}
	if h.server.draining.Load() {
		return &grpchealth.CheckResponse{Status: grpchealth.StatusNotServing}, nil
	}
	return &grpchealth.CheckResponse{Status: grpchealth.StatusServing}, nil
}
