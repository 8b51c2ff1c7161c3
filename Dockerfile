# The program in an image: docker build -t shakedown:0.1.0 . && docker run --rm -v "$PWD:/work" shakedown:0.1.0 run failover.toml
FROM rust:1.95-slim-trixie AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY .cargo .cargo
COPY src src
COPY crates crates
COPY benches benches
COPY fuzz fuzz
COPY examples examples
COPY tests/memory.rs tests/memory.rs
COPY scenarios scenarios
RUN cargo build --profile dist --locked --package shakedown

# With a shell, which deploy/shakedown.yaml needs.
FROM debian:trixie-slim
COPY --from=build /src/target/dist/shakedown /usr/local/bin/shakedown
COPY --from=build /src/scenarios /usr/share/shakedown/scenarios
RUN useradd --uid 65532 --no-create-home shakedown && mkdir /work && chown shakedown /work
WORKDIR /work
USER 65532:65532
ENTRYPOINT ["shakedown"]
CMD ["--help"]
