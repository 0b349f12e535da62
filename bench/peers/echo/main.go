// Program echo has echo's request logger over slog, its recovery, and the metrics of echoprometheus.
package main

import (
	"context"
	"log"
	"log/slog"
	"net/http"
	"os"

	"github.com/labstack/echo-contrib/echoprometheus"
	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"example.com/telemetry/internal/peer"
)

func main() {
	service := peer.New()
	logger := slog.New(slog.NewJSONHandler(os.Stdout, nil))
	e := echo.New()
	e.HideBanner = true
	e.Use(middleware.RequestLoggerWithConfig(middleware.RequestLoggerConfig{
		LogStatus: true, LogURI: true, LogMethod: true, LogLatency: true, LogError: true, HandleError: true,
		LogValuesFunc: func(c echo.Context, v middleware.RequestLoggerValues) error {
			logger.LogAttrs(context.Background(), slog.LevelInfo, "REQUEST",
				slog.String("method", v.Method), slog.String("uri", v.URI),
				slog.Int("status", v.Status), slog.Duration("latency", v.Latency))
			return nil
		},
	}))
	e.Use(middleware.Recover())
	e.Use(echoprometheus.NewMiddleware("echo"))
	e.GET("/metrics", echoprometheus.NewHandler())
	e.GET("/v1/devices/:device", func(c echo.Context) error {
		device, err := service.Device(c.Request().Context(), c.Param("device"))
		if err != nil {
			return echo.NewHTTPError(http.StatusNotFound, err.Error())
		}
		return c.JSON(http.StatusOK, device)
	})
	e.POST("/v1/readings", func(c echo.Context) error {
		var batch peer.Batch
		if err := c.Bind(&batch); err != nil {
			return err
		}
		stored, err := service.Add(c.Request().Context(), batch)
		if err != nil {
			return echo.NewHTTPError(http.StatusUnprocessableEntity, err.Error())
		}
		return c.JSON(http.StatusOK, stored)
	})
	log.Fatal(e.Start(os.Args[1]))
}
