// Program gin has the logger and recovery of gin.Default and the metrics of go-gin-prometheus.
package main

import (
	"log"
	"net/http"
	"os"
	"strings"

	"github.com/gin-gonic/gin"
	ginprometheus "github.com/zsais/go-gin-prometheus"

	"example.com/telemetry/internal/peer"
)

func main() {
	service := peer.New()
	gin.SetMode(gin.ReleaseMode)
	r := gin.Default()
	metrics := ginprometheus.NewPrometheus("gin")
	metrics.ReqCntURLLabelMappingFn = func(c *gin.Context) string {
		return strings.Replace(c.Request.URL.Path, c.Param("device"), ":device", 1)
	}
	metrics.Use(r)
	r.GET("/v1/devices/:device", func(c *gin.Context) {
		device, err := service.Device(c.Request.Context(), c.Param("device"))
		if err != nil {
			c.JSON(http.StatusNotFound, gin.H{"error": err.Error()})
			return
		}
		c.JSON(http.StatusOK, device)
	})
	r.POST("/v1/readings", func(c *gin.Context) {
		var batch peer.Batch
		if err := c.ShouldBindJSON(&batch); err != nil {
			c.JSON(http.StatusBadRequest, gin.H{"error": err.Error()})
			return
		}
		stored, err := service.Add(c.Request.Context(), batch)
		if err != nil {
			c.JSON(http.StatusUnprocessableEntity, gin.H{"error": err.Error()})
			return
		}
		c.JSON(http.StatusOK, stored)
	})
	log.Fatal(r.Run(os.Args[1]))
}
