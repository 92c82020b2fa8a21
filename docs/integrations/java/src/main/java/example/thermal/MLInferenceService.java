package example.thermal;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.Map;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.stereotype.Service;
import org.springframework.web.multipart.MultipartFile;

/** Thermograms to Scanmill and its words back, typed. The API key comes from the environment and stays on this side. */
@Service
public class MLInferenceService {
    private final ScanmillClient scanmill;
    private final ObjectMapper json = new ObjectMapper();

    public MLInferenceService(
            @Value("${ml.backend.url:http://localhost:8000}") String url, @Value("${SCANMILL_API_KEY}") String key) {
        this.scanmill = new ScanmillClient(url, key);
    }

    /** A finished analysis, or one that has not {@code ended()}: ask {@link #result}. The threshold may be null. */
    public MLInferenceResult processImage(
            MultipartFile file, boolean returnVisualizations, Double threshold, String idempotencyKey) {
        Map<String, String> fields = new LinkedHashMap<>();
        fields.put("return_visualizations", String.valueOf(returnVisualizations));
        if (threshold != null) {
            fields.put("threshold", threshold.toString());
        }
        String name = file.getOriginalFilename() == null ? "picture" : file.getOriginalFilename();
        ScanmillClient.Picture picture = new ScanmillClient.Picture(name, file.getSize(), file::getInputStream);
        return told(() -> scanmill.detect(picture, fields, idempotencyKey));
    }

    public MLInferenceResult result(String scanId, Double threshold) {
        return told(() -> scanmill.result(scanId, threshold));
    }

    private interface Call {
        ScanmillClient.Answer make() throws InterruptedException;
    }

    private MLInferenceResult told(Call call) {
        try {
            return json.readValue(call.make().json(), MLInferenceResult.class);
        } catch (ScanmillClient.Refused refused) {
            throw refusal(refused);
        } catch (InterruptedException stopping) {
            Thread.currentThread().interrupt();
            throw new MLException(503, "SHUTTING_DOWN", "The service is stopping; try again.", true, stopping);
        } catch (IOException garbled) {
            throw new MLException(502, "ML_ANSWER_UNREADABLE", "The analysis came back garbled.", true, garbled);
        }
    }

    /** What the picture lacks is the browser's to hear; a wrong key or an absence is ours, under a code of its own. */
    private MLException refusal(ScanmillClient.Refused refused) {
        JsonNode problem = problem(refused.problem);
        String code = problem.path("code").asText("");
        boolean ended = !problem.path("id").isNull(); // under its key it stays so
        boolean again = problem.path("retryable").asBoolean() && !ended;
        if (code.isEmpty()) {
            return new MLException(503, "ML_BACKEND_AWAY", "The analysis service does not answer.", true, refused);
        }
        if (refused.status == 401 || refused.status == 403) {
            return new MLException(502, "ML_BACKEND_REFUSES_US", "The analysis is not set up here.", false, refused);
        }
        int status = refused.status < 500 ? refused.status : again ? 503 : 502;
        return new MLException(status, code, problem.path("detail").asText(), again, refused);
    }

    private JsonNode problem(String text) {
        try {
            return json.readTree(text);
        } catch (IOException noJson) {
            return json.createObjectNode();
        }
    }
}
