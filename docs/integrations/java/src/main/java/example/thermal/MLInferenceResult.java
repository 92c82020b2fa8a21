package example.thermal;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.databind.PropertyNamingStrategies.SnakeCaseStrategy;
import com.fasterxml.jackson.databind.annotation.JsonNaming;
import java.util.List;
import java.util.Map;

/** What docs/thermal.md lists; a newer Scanmill may say more. While it works, only scanId and status are there. */
@JsonNaming(SnakeCaseStrategy.class)
@JsonIgnoreProperties(ignoreUnknown = true)
public record MLInferenceResult(
        String scanId,
        String status,
        Double anomalyScore,
        String classification,
        String confidence,
        Double confidenceScore,
        Boolean isAnomalous,
        Double threshold,
        List<Box> boundingBoxes,
        Map<String, String> visualizations,
        Double processingTime,
        String modelVersion,
        List<Map<String, Object>> warnings) {

    /** Pixels of the upright picture. */
    public record Box(double x, double y, double width, double height, double confidence, String type) {}

    public boolean ended() {
        return classification != null;
    }
}
