package example.thermal;

/** Why there is no analysis: the status and code that the browser gets. Never "Normal". */
public class MLException extends RuntimeException {
    public final int status;
    public final String code;
    public final boolean retryable;

    MLException(int status, String code, String message, boolean retryable, Throwable cause) {
        super(message, cause);
        this.status = status;
        this.code = code;
        this.retryable = retryable;
    }
}
