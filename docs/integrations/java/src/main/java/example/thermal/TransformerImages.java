package example.thermal;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import org.springframework.stereotype.Component;
import org.springframework.web.multipart.MultipartFile;

/** Stands for your repository and its table: what is stored under a key a second time is what it was the first time. */
@Component
public class TransformerImages {
    private final Map<String, Map<String, Object>> rows = new ConcurrentHashMap<>();
    private final AtomicLong ids = new AtomicLong();

    public Map<String, Object> store(
            long transformerId, String imageType, String uploader, MultipartFile file, String key) {
        return rows.computeIfAbsent(key, unused -> Map.of(
                "id", ids.incrementAndGet(),
                "transformerId", transformerId,
                "imageType", imageType,
                "uploader", uploader,
                "bytes", file.getSize()));
    }
}
