# Both programs: `docker run IMAGE agent …`, `docker run IMAGE controller …`. The agent needs UID 0 and
# CAP_NET_ADMIN (docs/operations.md); nothing else needs anything.
# It is made on the machine that builds, for whichever architecture: only koffi's binary differs.
FROM --platform=$BUILDPLATFORM node:24.21.0-bookworm-slim AS build
ARG TARGETARCH
WORKDIR /khan
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts
COPY . .
# What Docker calls amd64 is x64 to npm.
RUN npm run build \
 && npm_config_cpu="$(echo "$TARGETARCH" | sed s/amd64/x64/)" node deploy/image/stage.ts /app

FROM node:24.21.0-bookworm-slim
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="khan" \
      org.opencontainers.image.description="Kubernetes pod connection tracking exporter, OpenTelemetry-native" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# Nothing but Node is needed to run.
RUN rm -rf /usr/local/lib/node_modules /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack /opt/yarn*
COPY --from=build /app /app
ENV NODE_ENV=production
# Large blocks go back to the system when they are freed, and two threads share an arena of the C library;
# V8's semi-spaces stay at 1 MB: docs/performance.md has what that saves.
ENV MALLOC_MMAP_THRESHOLD_=131072 MALLOC_ARENA_MAX=2
USER 65532:65532
ENTRYPOINT ["node", "--max-semi-space-size=1", "/app/dist/cli.js"]
CMD ["--help"]
