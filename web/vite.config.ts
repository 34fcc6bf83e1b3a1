import { readFileSync } from "node:fs";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

const BUNDLED = ["@xterm/xterm", "@xterm/addon-webgl"];

/** Ships the licenses of what the page is bundled from, as they ask for. */
function licenses(): Plugin {
  return {
    name: "licenses",
    generateBundle() {
      const text = (name: string) => readFileSync(`node_modules/${name}/LICENSE`, "utf8");
      const source = BUNDLED.map((name) => `${name}\n\n${text(name)}`).join("\n\n");
      this.emitFile({ type: "asset", fileName: "licenses.txt", source });
    },
  };
}

export default defineConfig({
  base: "./", // relative: the page works under any prefix of a reverse proxy
  build: {
    target: "es2022",
    modulePreload: false, // one chunk; and the polyfill would be a script more
    assetsInlineLimit: 0, // data: URLs are not in the content security policy
    reportCompressedSize: false,
    chunkSizeWarningLimit: 1024,
  },
  plugins: [licenses()],
  test: { include: ["test/*.test.ts"] },
});
