package javax.annotation;

/** The generated classes carry this annotation, which Java had until version 10. */
public @interface Generated {
    String[] value();

    String date() default "";

    String comments() default "";
}
