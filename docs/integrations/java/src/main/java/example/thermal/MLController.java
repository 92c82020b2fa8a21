package example.thermal;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.UUID;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.springframework.http.ResponseEntity;
import org.springframework.web.bind.annotation.ExceptionHandler;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestHeader;
import org.springframework.web.bind.annotation.RequestParam;
import org.springframework.web.bind.annotation.RestController;
import org.springframework.web.multipart.MultipartFile;

/**
 * What browsers call. One upload is stored here and sent on from here. Who may see which transformer is for your Spring
 * Security to say; it guards these addresses like any other of yours.
 */
@RestController
public class MLController {
    private static final Logger log = LoggerFactory.getLogger(MLController.class);
    private final MLInferenceService ml;
    private final TransformerImages images;

    public MLController(MLInferenceService ml, TransformerImages images) {
        this.ml = ml;
        this.images = images;
    }

    /** Stores the picture and analyses it. 200 with both, or 202 with the address to ask again at. */
    @PostMapping({"/api/transformers/{transformerId}/images", "/api/transformers/{transformerId}/upload-and-analyze"})
    public ResponseEntity<Map<String, Object>> upload(
            @PathVariable("transformerId") long transformerId,
            @RequestParam("file") MultipartFile file,
            @RequestParam(name = "imageType", defaultValue = "THERMAL") String imageType,
            @RequestParam(name = "uploader", defaultValue = "unknown") String uploader, // better: who is signed in
            @RequestParam(name = "threshold", required = false) Double threshold,
            @RequestHeader(name = "Idempotency-Key", required = false) String key) {
        String once = onceFor(transformerId, key);
        Map<String, Object> stored = images.store(transformerId, imageType, uploader, file, once);
        MLInferenceResult found = ml.processImage(file, true, threshold, once);
        Map<String, Object> both = new LinkedHashMap<>();
        both.put("uploadResult", stored);
        both.put("mlResult", found);
        return answer(found, threshold, both);
    }

    /** Analyses a picture and stores nothing. */
    @PostMapping("/api/ml/transformers/{transformerId}/analyze-image")
    public ResponseEntity<MLInferenceResult> analyze(
            @PathVariable("transformerId") long transformerId,
            @RequestParam("file") MultipartFile file,
            @RequestParam(name = "return_visualizations", defaultValue = "true") boolean visualizations,
            @RequestParam(name = "threshold", required = false) Double threshold,
            @RequestHeader(name = "Idempotency-Key", required = false) String key) {
        MLInferenceResult found = ml.processImage(file, visualizations, threshold, onceFor(transformerId, key));
        return answer(found, threshold, found);
    }

    /** What became of an analysis that was 202. */
    @GetMapping("/api/ml/analyses/{scanId}")
    public ResponseEntity<MLInferenceResult> analysis(
            @PathVariable("scanId") UUID scanId, @RequestParam(name = "threshold", required = false) Double threshold) {
        MLInferenceResult found = ml.result(scanId.toString(), threshold);
        return answer(found, threshold, found);
    }

    @ExceptionHandler(MLException.class)
    public ResponseEntity<Map<String, Object>> noAnalysis(MLException error) {
        log.warn("no analysis: {} {}", error.code, String.valueOf(error.getCause())); // names Scanmill's request_id
        ResponseEntity.BodyBuilder response = ResponseEntity.status(error.status);
        if (error.retryable) {
            response.header("Retry-After", "5");
        }
        return response.body(Map.of("code", error.code, "message", error.getMessage(), "retryable", error.retryable));
    }

    /** The browser's key, if it sent one: its second try is then no second picture, here or there. */
    private static String onceFor(long transformerId, String key) {
        return transformerId + "/" + (key == null || !key.matches("[\\x21-\\x7e]{1,200}") ? UUID.randomUUID() : key);
    }

    private static <T> ResponseEntity<T> answer(MLInferenceResult found, Double threshold, T body) {
        if (found.ended()) {
            return ResponseEntity.ok(body);
        }
        String query = threshold == null ? "" : "?threshold=" + threshold;
        return ResponseEntity.status(202)
                .header("Location", "/api/ml/analyses/" + found.scanId() + query)
                .header("Retry-After", "1")
                .body(body);
    }
}
