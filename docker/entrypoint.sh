#!/bin/sh
# Start the role that the command names. Anything else is run as it stands.
set -eu

role=${1:-web}
[ $# -eq 0 ] || shift

counters=${PROMETHEUS_MULTIPROC_DIR:-}
case $role in
    web | worker | deliveries | sweeps | beat)
        export SHOP_ROLE="${SHOP_ROLE:-$role}"
        # Counters of an earlier life of this container would be added to those of this one.
        [ -z "$counters" ] || rm -rf "$counters"
        ;;
    migrate) export SHOP_ROLE="${SHOP_ROLE:-$role}" ;;
esac
[ -z "$counters" ] || mkdir -p "$counters"

# Probes and Prometheus come by the container's own address, which Django must then accept as a host.
allow_own_addresses() {
    for address in $(hostname -i 2>/dev/null || true); do
        case $address in
            *:*) ALLOWED_HOSTS="$ALLOWED_HOSTS,[$address]" ;;
            *) ALLOWED_HOSTS="$ALLOWED_HOSTS,$address" ;;
        esac
    done
    export ALLOWED_HOSTS
}

case $role in
    web)
        [ -z "${ALLOWED_HOSTS:-}" ] || allow_own_addresses
        exec gunicorn -c docker/gunicorn.conf.py config.wsgi "$@"
        ;;
    worker | deliveries | sweeps)
        # SHOP_ROLE says which queues it consumes: a worker all of them, the two others a share each.
        # Without heartbeats, gossip and mingle a worker notices a frozen broker and recovers; with them it hangs.
        # Each container has its own name: the broker keeps one control queue per worker name.
        exec celery -A config worker --without-heartbeat --without-gossip --without-mingle \
            --concurrency "${WORKER_CONCURRENCY:-4}" --hostname "worker@%h" "$@"
        ;;
    beat)
        exec celery -A config beat --schedule /tmp/celerybeat-schedule --pidfile= "$@"
        ;;
    migrate)
        # Every database that has a URL: the shared one, and that of each context which has its own.
        exec python manage.py migrate_all "$@"
        ;;
    await-migrations)
        until output=$(python manage.py migrate_all --check 2>&1); do
            echo "waiting for migrations: $(echo "$output" | grep . | tail -n 1)" >&2
            sleep 3
        done
        ;;
    health)
        exec python -c 'import sys, urllib.request as r; sys.exit(r.urlopen(sys.argv[1], timeout=4).status != 200)' \
            "http://127.0.0.1:${HEALTH_PORT:-${PORT:-8000}}/health"
        ;;
    worker-health)
        exec celery -A config inspect ping --destination "worker@$(hostname)" --timeout 10
        ;;
    beat-health)
        # Beat writes its schedule every three minutes while the broker takes what it sends.
        test -n "$(find /tmp -maxdepth 1 -name 'celerybeat-schedule*' -mmin -10)"
        ;;
    manage)
        exec python manage.py "$@"
        ;;
    *)
        exec "$role" "$@"
        ;;
esac
