import js from "@eslint/js";
import globals from "globals";

const rules = {
    "array-callback-return": "error",
    "curly": ["error", "multi-line"],
    "eqeqeq": "error",
    "no-implicit-coercion": "error",
    "no-implicit-globals": "error",
    "no-shadow": "error",
    "no-var": "error",
    "object-shorthand": "error",
    "prefer-const": "error",
    "prefer-template": "error",
    "require-await": "error",
};

// Run at the top of the repository, which is what these paths are relative to.
export default [
    { ignores: ["**/vendor/**"] },
    js.configs.recommended,
    {
        files: ["python/**/*.js"],
        languageOptions: { globals: globals.browser, sourceType: "module" },
        linterOptions: { reportUnusedDisableDirectives: "error" },
        rules,
    },
    {
        files: ["tests/page/*.js"],
        languageOptions: { globals: globals.node, sourceType: "module" },
        linterOptions: { reportUnusedDisableDirectives: "error" },
        rules,
    },
];
