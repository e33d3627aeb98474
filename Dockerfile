# Training and evaluation without a desktop. Its build is unverified: no engine was at hand.
FROM python:3.11-slim-bookworm
RUN apt-get update \
    && apt-get install -y --no-install-recommends bubblewrap git libopenblas0-pthread make \
    && rm -rf /var/lib/apt/lists/*
RUN useradd --create-home crew
USER crew
WORKDIR /home/crew/mcp-local-llm
COPY --chown=crew . .
RUN make setup
ENV PATH=/home/crew/mcp-local-llm/.venv/bin:$PATH
ENTRYPOINT ["mcp-local-llm"]
CMD ["doctor"]
